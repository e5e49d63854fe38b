"""How *long* it takes: kernel times from measured silicon, and what they add up to."""
