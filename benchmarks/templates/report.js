"use strict";
(() => {
  const root = document.documentElement, tip = document.getElementById("tip"), said = document.getElementById("said");

  // Light and dark: as the system says, until somebody chooses.
  const names = { "": "as the system", light: "light", dark: "dark" }, theme = document.getElementById("theme");
  const show = (value) => { value ? root.dataset.theme = value : delete root.dataset.theme; theme.textContent = `Theme: ${names[value]}`; };
  let kept = "";
  try { kept = localStorage.getItem("nasurge-theme") || ""; } catch { /* a page without storage */ }
  show(kept in names ? kept : "");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const order = Object.keys(names), value = order[(order.indexOf(root.dataset.theme || "") + 1) % order.length];
    show(value);
    try { localStorage.setItem("nasurge-theme", value); } catch { /* it holds for this view */ }
  });

  // Tables: a click sorts, the next one turns round, a third gives the order they came in.
  const key = (cell) => cell.dataset.v !== undefined ? Number(cell.dataset.v) : cell.textContent.trim();
  const empty = (value) => value === "" || value === "undefined" || Number.isNaN(value);
  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0], given = [...body.rows], heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.querySelector(".sort").addEventListener("click", () => {
      const ways = head.classList.contains("number") ? ["descending", "ascending"] : ["ascending", "descending"];
      const way = ways[ways.indexOf(head.getAttribute("aria-sort")) + 1];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      let rows = given;
      if (way) {
        head.setAttribute("aria-sort", way);
        const sign = way === "ascending" ? 1 : -1;
        rows = [...given].sort((one, two) => {
          const a = key(one.cells[column]), b = key(two.cells[column]);
          if (empty(a) || empty(b)) return empty(a) - empty(b);
          return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
        });
      }
      body.append(...rows);
      said.textContent = way ? `Sorted by ${head.querySelector(".sort").textContent}, ${way}` : "In the order of the report";
    }));
  }

  // Wide tables: their first columns stay, and shadows say where there is more.
  for (const box of document.querySelectorAll(".table")) {
    const scroll = box.querySelector(".scroll"), table = box.querySelector("table");
    const hint = document.createElement("p");
    hint.className = "hint";
    hint.textContent = "more columns: scroll sideways \u2192";
    box.before(hint);
    const stick = () => {
      const heads = [...table.tHead.rows[0].cells];
      const count = heads.length > 3 && !heads[0].classList.contains("number") && !heads[1].classList.contains("number") && !table.querySelector("td.long:nth-child(2)") ? 2 : 1;
      let at = 0;
      for (let column = 0; column < count; column += 1) {
        for (const row of table.rows) {
          row.cells[column].classList.add("stuck");
          row.cells[column].classList.toggle("last", column === count - 1);
          row.cells[column].style.setProperty("--at", `${at}px`);
        }
        at += heads[column].offsetWidth;
      }
      box.style.setProperty("--stuck", `${at}px`);
      look();
    };
    const look = () => {
      const left = scroll.scrollLeft > 1, right = scroll.scrollLeft + scroll.clientWidth < scroll.scrollWidth - 1;
      const more = [left && "left", right && "right"].filter(Boolean).join(" ");
      more ? box.dataset.more = more : delete box.dataset.more;
      hint.style.display = more ? "block" : "none";
    };
    scroll.addEventListener("scroll", look, { passive: true });
    new ResizeObserver(stick).observe(scroll);
  }

  // What is pointed at, or has the focus, says what it is.
  const place = (text, box) => {
    if (!text) return;
    tip.textContent = text;
    tip.hidden = false;
    const width = tip.offsetWidth, height = tip.offsetHeight, gap = 9;
    const x = Math.min(Math.max(6, box.left + box.width / 2 - width / 2), root.clientWidth - width - 6);
    const above = box.top - height - gap > 0;
    tip.style.left = `${x + scrollX}px`;
    tip.style.top = `${(above ? box.top - height - gap : box.bottom + gap) + scrollY}px`;
  };
  const hide = () => { tip.hidden = true; };
  const told = (element, text) => {
    const on = () => place(text(), element.getBoundingClientRect());
    element.addEventListener("mouseenter", on);
    element.addEventListener("focus", on);
    element.addEventListener("mouseleave", hide);
    element.addEventListener("blur", hide);
  };
  for (const link of document.querySelectorAll("a.term, a.word")) {
    told(link, () => { const term = document.getElementById(link.hash.slice(1)); return term && `${term.textContent}: ${term.nextElementSibling.textContent}`; });
  }
  for (const chart of document.querySelectorAll("figure svg")) {
    const marks = [...chart.querySelectorAll(".mark")];
    marks.forEach((mark, number) => {
      const title = mark.querySelector("title"), text = title.textContent;
      mark.setAttribute("aria-label", text);
      title.textContent = ""; // else the browser would show it beside ours
      mark.tabIndex = number ? -1 : 0;
      told(mark, () => text);
      mark.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const next = marks[(number + step + marks.length) % marks.length];
        mark.tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
      });
    });
  }
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
})();
