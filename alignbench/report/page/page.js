"use strict";
(() => {
  const root = document.documentElement;

  // Some browsers refuse storage or history to local files; then nothing is remembered.
  const attempt = (act) => {
    try {
      return act();
    } catch {
      return null;
    }
  };

  const offerTheme = () => {
    const button = document.getElementById("theme");
    const prefersDark = matchMedia("(prefers-color-scheme: dark)");
    const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);
    const show = () => {
      button.textContent = isDark() ? "Light" : "Dark";
      button.setAttribute("aria-label", isDark() ? "Show the page in light colours" : "Show the page in dark colours");
    };
    const kept = attempt(() => localStorage.getItem("alignbench-theme"));
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      attempt(() => localStorage.setItem("alignbench-theme", root.dataset.theme));
      show();
    });
    prefersDark.addEventListener("change", show);
    button.hidden = false;
    show();
  };

  // The first number of a cell, or nothing; cells without one come last in either order.
  const numberIn = (text) => {
    const found = text.replace(/,(?=\d{3})/g, "").replace("\u2212", "-").match(/^\s*[<]?\s*([+-]?\d*\.?\d+(?:e[+-]?\d+)?)/i);
    return found ? Number(found[1]) : null;
  };

  const compare = (a, b, isNumber, sign) => {
    if (!isNumber) return sign * a.localeCompare(b);
    const [x, y] = [numberIn(a), numberIn(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    return sign * (x - y);
  };

  const sortBy = (table, column, sign) => {
    for (const body of table.tBodies) {
      const rows = [...body.rows];
      const text = (row) => row.cells[column].textContent;
      const isNumber = rows.some((row) => numberIn(text(row)) !== null);
      rows.sort((a, b) => compare(text(a), text(b), isNumber, sign));
      body.append(...rows);
    }
  };

  const makeSortable = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const order = head.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        sortBy(table, column, order === "ascending" ? 1 : -1);
      });
    });
  };

  const FIRST = 12;
  const STEP = 24;
  const NAMES = ["kind", "producer", "type", "judge", "words"];
  const ANCHOR = "#sentences";

  const offerFilters = (form) => {
    const section = document.getElementById("sentences");
    const list = section.querySelector(".cards");
    const more = section.querySelector(".more");
    const none = section.querySelector(".none");
    const shown = section.querySelector(".shown");
    const cards = [...list.children].map((element, place) => ({
      element,
      place,
      kind: element.dataset.kind,
      producer: element.dataset.producer,
      types: element.dataset.types.split(" "),
      keys: element.dataset.keys.split(" ").map((key) => (key === "-" ? -1 : Number(key))),
      words: element.querySelector(".caption").textContent.toLowerCase(),
      scores: element.querySelector(".many"),
      opinions: [...element.querySelectorAll(".opinions tbody tr:not(.marks)")],
    }));
    let most = FIRST;

    const wanted = () => Object.fromEntries(NAMES.map((name) => [name, form.elements.namedItem(name).value.trim()]));

    const fits = (card, want, key) =>
      (!want.kind || card.kind === want.kind) &&
      (!want.producer || card.producer === want.producer) &&
      (!want.type || card.types.includes(want.type)) &&
      (key === 0 || card.keys[key] > 0.5) &&
      (!want.words || card.words.includes(want.words.toLowerCase()));

    const render = () => {
      const want = wanted();
      const key = want.judge === "" ? 0 : Number(want.judge) + 1;
      const found = cards.filter((card) => fits(card, want, key));
      found.sort((a, b) => a.kind.localeCompare(b.kind) || b.keys[key] - a.keys[key] || a.place - b.place);
      const on = found.slice(0, most);
      cards.forEach((card) => {
        card.element.hidden = true;
        if (card.scores && key > 0) card.scores.open = true;
        card.opinions.forEach((row, judge) => row.classList.toggle("chosen", judge + 1 === key));
      });
      on.forEach((card) => {
        card.element.hidden = false;
      });
      list.prepend(...on.map((card) => card.element));
      none.hidden = found.length > 0;
      more.hidden = on.length === found.length;
      shown.textContent =
        on.length === found.length
          ? `Showing ${found.length} of the ${cards.length} sentences in this page`
          : `Showing ${on.length} of ${found.length} that fit, of the ${cards.length} sentences in this page`;
    };

    const remember = () => {
      const said = new URLSearchParams(Object.entries(wanted()).filter(([, value]) => value !== ""));
      const address = said.size ? `${ANCHOR}?${said}` : ANCHOR;
      if (address !== location.hash) attempt(() => history.replaceState(null, "", address));
    };

    const recall = () => {
      if (!location.hash.startsWith(`${ANCHOR}?`)) return;
      const said = new URLSearchParams(location.hash.slice(ANCHOR.length + 1));
      NAMES.forEach((name) => {
        const field = form.elements.namedItem(name);
        field.value = said.get(name) ?? "";
        if (field.selectedIndex === -1) field.value = "";
      });
      section.scrollIntoView();
    };

    const change = () => {
      most = FIRST;
      remember();
      render();
    };
    form.addEventListener("input", change);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(change));
    addEventListener("hashchange", () => {
      recall();
      render();
    });
    more.addEventListener("click", () => {
      const next = most;
      most += STEP;
      render();
      const first = [...list.children].filter((card) => !card.hidden)[next];
      first.tabIndex = -1;
      first.focus();
    });
    form.hidden = false;
    recall();
    render();
  };

  offerTheme();
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  document.querySelectorAll("form.filters").forEach(offerFilters);
  if (matchMedia("(max-width: 60rem)").matches) document.querySelector(".contents details").open = false;
})();
