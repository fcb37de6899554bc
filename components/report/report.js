// Sorting, search and charts of the report. Everything that comes from the data becomes text, never markup.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const FIRST = 100; // rows shown at once; the others on request
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 720px)"); // as in the style

  const element = (tag, attributes, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  };
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const whole = (value) => Number(value).toLocaleString("en-US", { maximumFractionDigits: 0 });
  const short = (value) => (typeof value === "number" ? String(+value.toPrecision(5)).replace("-", "−") : String(value));
  const exact = (value) => (typeof value === "number" ? String(value).replace("-", "−") : String(value));
  // Plotly reads a little HTML in its texts.
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  // --- charts ---------------------------------------------------------------------------------------------------
  const drawn = new Map(); // the chart's element -> how to draw it
  const logarithmic = document.getElementById("logarithmic") || { checked: false };

  const library = () => {
    if (!window.Plotly) {
      const script = document.createElement("script");
      script.textContent = document.getElementById("plotly").textContent;
      document.head.append(script);
    }
    return window.Plotly;
  };

  const layout = (x, y, more) => {
    const axis = { type: "linear", gridcolor: color("line"), zerolinecolor: color("line"), linecolor: color("muted"), automargin: true };
    return {
      margin: { l: 8, r: 8, t: 8, b: 8 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: color("muted") },
      hoverlabel: { bgcolor: color("paper"), bordercolor: color("muted"), font: { color: color("ink") } },
      xaxis: { ...axis, title: { text: plain(x), standoff: 6 }, showgrid: false, fixedrange: true },
      yaxis: { ...axis, title: { text: plain(y), standoff: 6 }, rangemode: "tozero", fixedrange: true },
      bargap: 0.03, showlegend: false, ...more,
    };
  };

  const draw = (place, make) => {
    drawn.set(place, make);
    const { traces, layout: shape } = make();
    library().react(place, traces, shape, { displayModeBar: false, responsive: true });
  };

  const forget = (inside) => {
    for (const place of drawn.keys()) {
      if (inside.contains(place)) {
        library().purge(place);
        drawn.delete(place);
      }
    }
  };

  dark.addEventListener("change", () => drawn.forEach((make, place) => draw(place, make)));

  const numbers = (headings, rows) => {
    const opened = element("details", {}, element("summary", {}, "As a table"));
    opened.addEventListener("toggle", () => {
      if (!opened.open || opened.querySelector("table")) return;
      const head = element("tr", {}, ...headings.map((text) => element("th", { scope: "col", class: "number" }, text)));
      const body = rows().map((row) => element("tr", {}, ...row.map((text) => element("td", { class: "number" }, text))));
      const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
      opened.append(element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Values of the chart" }, table));
    });
    return opened;
  };

  const figure = (heading, title, caption, alternative, table) => {
    const place = element("div", { class: "chart", role: "img", "aria-label": alternative });
    const made = element("figure", {}, element(heading, {}, title), place, element("figcaption", {}, caption), table);
    return { made, place };
  };

  const histogramLayout = (x, y, range) => {
    const made = layout(x, y, {});
    if (range) made.xaxis.range = range;
    if (logarithmic.checked) Object.assign(made.yaxis, { type: "log", rangemode: "normal", dtick: 1 });
    return made;
  };

  const histogram = (title, unit, found, name) => {
    const { edges, counts, source } = found;
    const total = counts.reduce((sum, count) => sum + count, 0);
    const most = counts.indexOf(Math.max(...counts));
    const alternative = `${title} of ${name}: ${whole(total)} values from ${short(edges[0])} to ${short(edges[edges.length - 1])}; ` +
      `most, ${whole(counts[most])}, from ${short(edges[most])} to ${short(edges[most + 1])}.`;
    const rows = () => counts.map((count, at) => [short(edges[at]), short(edges[at + 1]), whole(count)]);
    const { made, place } = figure("h3", title, `${source}; ${whole(total)} values`, alternative, numbers(["from", "to", "values"], rows));
    const widths = counts.map((_, at) => edges[at + 1] - edges[at]);
    const width = edges[edges.length - 1] - edges[0];
    // Areas tell how many: bins of different widths stand for themselves only as a density.
    const isDensity = width > 0 && Math.max(...widths) > 1.01 * Math.min(...widths);
    const wide = widths.map((of) => Math.max(of, width / 400));
    const make = () => ({
      traces: [{
        type: "bar", x: counts.map((_, at) => (edges[at] + edges[at + 1]) / 2),
        y: isDensity ? counts.map((count, at) => count / total / wide[at]) : counts,
        width: wide.map((of) => (of ? of * 0.97 : 0.2)), marker: { color: color("first"), line: { width: 0 } },
        customdata: counts.map((count, at) => `${short(edges[at])} to ${short(edges[at + 1])}<br>${whole(count)} values`),
        hovertemplate: "%{customdata}<extra></extra>",
      }],
      layout: histogramLayout(unit, isDensity ? "density" : "values", width ? null : [edges[0] - 1, edges[0] + 1]),
    });
    return { made, start: () => draw(place, make) };
  };

  const words = (feature) => {
    const shown = feature.vocabulary.slice(0, 20);
    const title = feature.words > shown.length ? `The ${shown.length} most frequent of ${whole(feature.words)} values` : "Values";
    const alternative = `${title} of ${feature.name}: ${shown.slice(0, 5).map(([word, count]) => `${word} ${whole(count)}`).join(", ")}${shown.length > 5 ? " …" : ""}`;
    const rows = () => feature.vocabulary.map(([word, count]) => [word, whole(count)]);
    const { made, place } = figure("h3", title, "Counted by the analysis, exactly", alternative, numbers(["value", "count"], rows));
    const make = () => ({
      traces: [{
        type: "bar", x: shown.map((_, at) => at), y: shown.map(([, count]) => count), marker: { color: color("first") },
        customdata: shown.map(([word]) => plain(word)), hovertemplate: "%{customdata}<br>%{y:,}<extra></extra>",
      }],
      layout: Object.assign(histogramLayout("", "values"), {
        xaxis: {
          ...layout("", "").xaxis, zeroline: false, tickvals: shown.map((_, at) => at),
          ticktext: shown.map(([word]) => plain(word.length > 14 ? `${word.slice(0, 13)}…` : word || "(empty)")),
        },
      }),
    });
    return { made, start: () => draw(place, make) };
  };

  // Plotly shows a line that never changes one unit around it, whatever its size.
  const around = (values) => {
    const [first] = values, room = Math.abs(first) || 1;
    return values.every((value) => value === first) && typeof first === "number" ? { range: [first - room, first + room] } : {};
  };

  const curves = () => {
    const place = document.getElementById("curves");
    if (!place) return;
    const metrics = [...new Set(data.curves.map(([metric]) => metric))];
    for (const metric of metrics) {
      const lines = data.curves.filter(([of]) => of === metric);
      const ends = lines.map(([, part, , values]) => `${part} ${short(values[0])} to ${short(values[values.length - 1])}`);
      const rows = () => {
        const epochs = [...new Set(lines.flatMap(([, , x]) => x))].sort((a, b) => a - b);
        return epochs.map((epoch) => [String(epoch), ...lines.map(([, , x, y]) => (x.includes(epoch) ? short(y[x.indexOf(epoch)]) : ""))]);
      };
      const table = numbers(["epoch", ...lines.map(([, part]) => part)], rows);
      const { made, place: chart } = figure("h4", metric, ends.join("; "), `${metric} by epoch: ${ends.join("; ")}`, table);
      place.append(made);
      const make = () => ({
        traces: lines.map(([, part, x, y], at) => ({
          type: "scatter", mode: x.length > 30 ? "lines" : "lines+markers", name: part, x, y, marker: { size: 6 },
          line: { color: color(part === "validation" ? "second" : "first"), width: 2, dash: part === "validation" ? "dot" : "solid" },
          hovertemplate: `${plain(part)} %{y:.5g}, epoch %{x}<extra></extra>`,
        })),
        layout: layout("epoch", "", {
          showlegend: lines.length > 1, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
          yaxis: { ...layout("", "").yaxis, rangemode: "normal", ...around(lines.flatMap(([, , , y]) => y)) },
          xaxis: { ...layout("epoch", "").xaxis, ...(lines[0][2].length <= 12 ? { dtick: 1 } : {}) },
        }),
      });
      const near = new IntersectionObserver((entries) => {
        if (entries.some((entry) => entry.isIntersecting)) {
          near.disconnect();
          draw(chart, make);
        }
      }, { rootMargin: "200px" });
      near.observe(chart);
    }
  };

  // --- a feature's panel ------------------------------------------------------------------------------------------
  const pairs = (rows) => element("dl", { class: "figures" }, ...rows.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value))));

  const HEADINGS = ["", "count", "missing", "NaN", "+Inf", "−Inf", "mean", "sigma", "min", "max", "quartile 1", "median", "quartile 3"];

  const statistics = (title, rows, left, of) => {
    const used = HEADINGS.map((_, at) => rows.some((row) => row[at] !== null && row[at] !== ""));
    const cell = (value, at) => (value === null ? "" : at === 0 ? value : at < 6 ? whole(value) : exact(value));
    const head = element("tr", {}, ...HEADINGS.filter((_, at) => used[at]).map((text) => element("th", { scope: "col", class: text ? "number" : "" }, text || of)));
    const body = rows.map((row) => element("tr", {}, ...row.map((value, at) => [value, at]).filter(([, at]) => used[at]).map(([value, at]) =>
      element(at === 0 ? "th" : "td", at === 0 ? { scope: "row" } : { class: "number" }, cell(value, at)))));
    const table = element("table", {}, element("caption", { class: "hidden" }, title), element("thead", {}, head), element("tbody", {}, ...body));
    const note = left ? element("p", { class: "quiet" }, `And ${whole(left)} more in constants.json.`) : null;
    return [element("h3", {}, title), element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": title }, table), note];
  };

  const compared = ([check, headings, rows]) => {
    const title = `${check}: numbers compared`;
    const head = element("tr", {}, ...headings.map((text) => element("th", { scope: "col", class: text ? "number" : "" }, text || "number")));
    const body = rows.map(([what, ...cells]) => element("tr", {}, element("th", { scope: "row" }, what), ...cells.map((cell) => element("td", { class: "number" }, cell))));
    const table = element("table", {}, element("caption", { class: "hidden" }, title), element("thead", {}, head), element("tbody", {}, ...body));
    return [element("h3", {}, title), element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": title }, table)];
  };

  const single = (row) => HEADINGS.map((text, at) => [text, row[at], at]).filter(([text, value]) => text && value !== null)
    .map(([text, value, at]) => [text, at < 6 ? whole(value) : exact(value)]);

  const panel = (feature) => {
    const parts = [], charts = [], lists = [];
    const unit = feature.unit || "value";
    const fault = (entry) => element("li", {}, element("span", { class: `tag ${entry[0]}` }, `${entry[1]}: ${entry[2]}`), ` ${entry[3]}`);
    if (feature.said.length) parts.push(element("ul", { class: "said" }, ...feature.said.map(fault)));
    if (feature.vocabulary) charts.push(words(feature));
    if (feature.raw && !feature.vocabulary) charts.push(histogram("Raw", unit, feature.raw, feature.name));
    if (feature.normalized) charts.push(histogram("Normalized", "what the model gets", feature.normalized, feature.name));
    if (charts.length) parts.push(element("div", { class: "charts" }, ...charts.map((chart) => chart.made)));
    if (!feature.normalized && feature.whyNot) parts.push(element("p", { class: "quiet" }, feature.whyNot));
    const rows = feature.statistics || [];
    if (rows.length === 1 && !feature.more) lists.push(["Constants", single(rows[0])]);
    const settings = [["role", feature.role], ...(feature.unit ? [["unit", feature.unit]] : []), ...(feature.settings || [])];
    if (feature.tensors) settings.push(["model tensor", feature.tensors.join(", ")]);
    if (feature.role) lists.push(["Settings", settings]);
    lists.push(...feature.measured);
    parts.push(element("div", { class: "columns" }, ...lists.map(([title, list]) => element("div", {}, element("h3", {}, title), pairs(list)))));
    (feature.numbers || []).forEach((each) => parts.push(...compared(each)));
    if (rows.length > 1 || feature.more) parts.push(...statistics("Constants by element", rows, feature.more, "element"));
    if (feature.keys) parts.push(...statistics("Constants by key, the most frequent first", feature.keys, feature.moreKeys, "key"));
    return { parts: parts.filter(Boolean), start: () => charts.forEach((chart) => chart.start()) };
  };

  // --- the table --------------------------------------------------------------------------------------------------
  const table = document.getElementById("table");
  const rows = table ? [...table.tBodies[0].rows] : [];
  const texts = data.features.map((feature) => [feature.name, feature.role, feature.unit, ...(feature.tensors || [])].join("\n").toLowerCase());
  const order = rows.map((_, at) => at);
  const collator = new Intl.Collator(undefined, { numeric: true });
  const control = (id) => document.getElementById(id);
  const value = (id) => (control(id) ? control(id).value : "");
  const open = new Map(); // the feature's place -> its panel's row
  let everything = false;
  let sorted = { column: -1, falls: false };

  const show = () => {
    const wanted = value("search").trim().toLowerCase(), role = value("role"), state = value("state");
    const found = order.filter((at) => {
      const feature = data.features[at];
      return (!wanted || texts[at].includes(wanted)) && (!state || feature.state === state) &&
        (!role || feature.role === role || (feature.role || "").startsWith(`${role}:`));
    });
    const visible = everything ? found : found.slice(0, FIRST);
    const shown = [];
    for (const at of visible) {
      shown.push(rows[at]);
      if (open.has(at)) shown.push(open.get(at));
    }
    table.tBodies[0].replaceChildren(...shown);
    control("shown").textContent = found.length === rows.length ? `${whole(rows.length)} features` : `${whole(found.length)} of ${whole(rows.length)} features`;
    control("more").hidden = visible.length === found.length;
    control("all").textContent = `Show all ${whole(found.length)}`;
  };

  const compare = (a, b, falls) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const sign = falls ? -1 : 1;
    return sign * (typeof a === "string" || typeof b === "string" ? collator.compare(a, b) : a - b);
  };

  const sort = (column, falls) => {
    sorted = { column, falls };
    const key = (at) => (column < 0 ? at : data.features[at].sort[column]);
    order.sort((a, b) => compare(key(a), key(b), falls) || a - b);
    table.querySelectorAll("thead th").forEach((heading, at) => {
      if (at === column) heading.setAttribute("aria-sort", falls ? "descending" : "ascending");
      else heading.removeAttribute("aria-sort");
    });
    control("sort").value = column < 0 ? "" : String(column);
    show();
  };

  const isNumber = (column) => table.tHead.rows[0].cells[column].classList.contains("number");

  // Columns that a narrow screen hides must not be spanned, or they take room again.
  const shownColumns = () => [...table.tHead.rows[0].cells].filter((cell) => getComputedStyle(cell).display !== "none").length;
  narrow.addEventListener("change", () => open.forEach((row) => row.cells[0].setAttribute("colspan", shownColumns())));

  const toggle = (row) => {
    const at = Number(row.dataset.at), button = row.querySelector("button");
    const opened = open.get(at);
    if (opened) {
      forget(opened);
      opened.remove();
      open.delete(at);
      button.setAttribute("aria-expanded", "false");
      button.removeAttribute("aria-controls");
      return;
    }
    const { parts, start } = panel(data.features[at]);
    const cell = element("td", { colspan: shownColumns() }, ...parts);
    const made = element("tr", { class: "panel", id: `panel-${at}` }, cell);
    open.set(at, made);
    row.after(made);
    button.setAttribute("aria-expanded", "true");
    button.setAttribute("aria-controls", made.id);
    start();
  };

  if (table) {
    control("tools").hidden = false;
    control("tools").addEventListener("submit", (event) => event.preventDefault());
    logarithmic.addEventListener("change", () => drawn.forEach((make, place) => draw(place, make)));
    control("search").addEventListener("input", show);
    for (const id of ["role", "state"]) if (control(id)) control(id).addEventListener("change", show);
    control("sort").addEventListener("change", () => {
      const column = value("sort") === "" ? -1 : Number(value("sort"));
      sort(column, column >= 0 && isNumber(column));
    });
    control("all").addEventListener("click", () => {
      everything = true;
      show();
    });
    table.tHead.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const column = Number(button.dataset.column);
      sort(column, sorted.column === column ? !sorted.falls : isNumber(column));
    });
    table.tBodies[0].addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-at]");
      if (row && (event.target.closest("button") || !getSelection().toString())) toggle(row);
    });
    show();
  }
  curves();
})();
