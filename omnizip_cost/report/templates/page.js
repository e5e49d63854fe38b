"use strict";
// Headings of tables become buttons that sort: numbers as numbers, absent cells last.
(() => {
  const number = (cell) => cell.dataset.sort === undefined ? null : Number(cell.dataset.sort);
  const words = new Intl.Collator("en", { numeric: true });

  function compare(left, right, down) {
    const [a, b] = [number(left), number(right)];
    if (a !== null && b !== null) return down ? b - a : a - b;
    if (a !== null || b !== null) return a === null ? 1 : -1;
    const [s, t] = [left.textContent.trim(), right.textContent.trim()];
    if (s === "–" || t === "–") return (s === "–") - (t === "–");
    return down ? words.compare(t, s) : words.compare(s, t);
  }

  function sort(table, heading, place) {
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of table.querySelectorAll("thead .keys th")) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows];
    rows.sort((left, right) => compare(left.cells[place], right.cells[place], down));
    body.append(...rows);
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.querySelectorAll("thead .keys th")];
    headings.forEach((heading, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.title = "Sort by this column";
      button.addEventListener("click", () => sort(table, heading, place));
      heading.append(button);
    });
  }
})();
