"""One topic per module: ``derive()`` gives its derivation, ``verify()`` what was checked."""
