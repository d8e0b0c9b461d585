// Everything here is a convenience: without it every page can still be read and every link followed.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const parse = (html) => new DOMParser().parseFromString(html, "text/html");
const get = async (url) => {
  const answer = await fetch(url, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.text();
};

// ---- theme -------------------------------------------------------------------------------------------
const THEMES = ["auto", "light", "dark"];
function theme() { return document.documentElement.dataset.theme ?? "auto"; }
function showTheme() {
  const button = $("#theme");
  button.textContent = `Theme: ${theme()}`;
}
$("#theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try { localStorage.setItem("theme", next); } catch { /* storage may be off */ }
  showTheme();
});
showTheme();

// ---- parts that are fetched when they come into sight -------------------------------------------------
async function fill(box) {
  const url = box.dataset.load;
  try {
    const html = await get(url);
    box.replaceChildren(...parse(html).body.childNodes);
    box.dataset.filled = url;
    if (box.id === "lineage") toggleNodes();
  } catch {
    box.textContent = "Could not be drawn; reload the page to try again.";
  }
}
const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    sight.unobserve(entry.target);
    if (entry.target.dataset.more) more(entry.target);
    else fill(entry.target);
  }
}, { rootMargin: "800px" });
function watch(root = document) {
  for (const box of $$("[data-load]:not([data-filled]), [data-more]", root)) sight.observe(box);
}

// ---- the table of experiments goes on as one scrolls ---------------------------------------------------
async function more(link) {
  const row = link.closest("tr");
  try {
    const html = await get(link.dataset.more);
    const rows = parse(`<table><tbody>${html}</tbody></table>`).querySelectorAll("tr");
    const region = row.closest("[data-region]");
    if (region) region.dataset.extended = "yes";
    row.replaceWith(...rows);
    watch(region ?? document);
  } catch {
    link.textContent = "Could not be loaded; follow this link instead.";
  }
}

// ---- search and filters as one types -------------------------------------------------------------------
for (const form of $$("form[data-filter]")) {
  let timer = 0;
  let latest = 0;
  const show = async () => {
    const query = new URLSearchParams(new FormData(form));
    for (const [key, value] of [...query]) if (!value) query.delete(key);
    const url = `${form.action.split("#")[0].split("?")[0]}?${query}`;
    const turn = ++latest;
    const fresh = parse(await get(url));
    if (turn !== latest) return;
    const region = $(form.dataset.filter);
    region.replaceChildren(...$(form.dataset.filter, fresh).childNodes);
    delete region.dataset.extended;
    history.replaceState(null, "", url);
    watch(region);
  };
  const soon = () => { clearTimeout(timer); timer = setTimeout(() => show().catch(() => {}), 160); };
  form.addEventListener("input", soon);
  form.addEventListener("change", soon);
  form.addEventListener("submit", (event) => { event.preventDefault(); soon(); });
}

// ---- the transcript: search, one agent, fold ------------------------------------------------------------
function filterTurns() {
  const words = ($("#find")?.value ?? "").toLowerCase().trim();
  const agent = $("#agent")?.value ?? "";
  let hits = 0;
  for (const turn of $$(".turn")) {
    const mine = !agent || turn.dataset.role === agent;
    let any = false;
    for (const piece of $$(".step, .turn > .fold", turn)) {
      const hit = !words || piece.textContent.toLowerCase().includes(words);
      piece.hidden = !hit;
      any ||= hit;
      if (words && hit && mine) hits += 1;
      for (const fold of [piece, ...$$("details", piece)].filter((x) => x.tagName === "DETAILS")) {
        if (words) fold.open = fold.textContent.toLowerCase().includes(words);
      }
    }
    turn.hidden = !mine || !any;
  }
  const told = $("#hits");
  if (told) told.textContent = words ? `${hits} ${hits === 1 ? "place" : "places"}` : "";
}
let findTimer = 0;
$("#find")?.addEventListener("input", () => { clearTimeout(findTimer); findTimer = setTimeout(filterTurns, 120); });
$("#agent")?.addEventListener("change", filterTurns);
function unfold() {
  const folds = $$("main details").filter((fold) => !fold.closest("[hidden]"));
  const open = folds.some((fold) => !fold.open);
  for (const fold of folds) fold.open = open;
  const button = $("#unfold");
  if (button) button.textContent = open ? "Fold all" : "Unfold all";
}
$("#unfold")?.addEventListener("click", unfold);

// ---- the lineage ---------------------------------------------------------------------------------------
function toggleNodes() {
  for (const box of $$("[data-toggle]")) {
    for (const kind of ["nodes", "edges"]) {
      for (const group of $$(`#lineage .${kind}-${CSS.escape(box.dataset.toggle)}`)) {
        group.classList.toggle("off", !box.checked);
      }
    }
  }
}
const lineage = $("#lineage");
if (lineage) {
  for (const box of $$("[data-toggle]")) box.addEventListener("change", toggleNodes);
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);
  lineage.addEventListener("pointermove", (event) => {
    const mark = event.target.closest("[data-tip]");
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.dataset.tip;
    tip.style.left = `${Math.min(event.pageX + 14, document.documentElement.clientWidth - 240)}px`;
    tip.style.top = `${event.pageY + 14}px`;
  });
  lineage.addEventListener("pointerleave", () => { tip.hidden = true; });
  lineage.addEventListener("click", (event) => {
    const name = event.target.closest("[data-name]")?.dataset.name;
    if (!name) return;
    const at = name.startsWith("#") ? `experiments/${name.slice(1)}` : `programs/${encodeURIComponent(name)}`;
    location.href = `${lineage.dataset.base}/${at}`;
  });
}

// ---- live: regions whose content has changed are replaced, what is unfolded stays so --------------------
function keep(before, after) {
  for (const fold of $$("details[id]", before)) {
    const again = after.querySelector(`#${CSS.escape(fold.id)}`);
    if (again && fold.open) again.open = true;
  }
}
async function refresh() {
  const fresh = parse(await get(location.href.split("#")[0]));
  for (const region of $$("[data-region]")) {
    const again = fresh.getElementById(region.id);
    if (!again || region.dataset.extended || region.contains(document.activeElement)) continue;
    keep(region, again);
    if (again.innerHTML !== region.innerHTML) region.replaceChildren(...again.childNodes);
  }
  for (const box of $$("[data-load]")) {
    if (box.dataset.filled) await fill(box);
  }
  watch();
  if ($("#find")?.value || $("#agent")?.value) filterTurns();
}
let busy = false;
let again = false;
async function changed() {
  if (busy) { again = true; return; }
  busy = true;
  try { await refresh(); } catch { /* the server is gone; the stream says so */ }
  setTimeout(() => { busy = false; if (again) { again = false; changed(); } }, 1000);
}
const stream = document.body.dataset.live.trim();
const pulse = $("#pulse");
if (stream) {
  let began = null;
  const source = new EventSource(stream);
  source.addEventListener("hello", (event) => {
    pulse.textContent = "live";
    pulse.className = "pulse on";
    if (began !== null && began !== event.data) changed();
    began = event.data;
  });
  source.addEventListener("change", (event) => { began = event.data; changed(); });
  source.addEventListener("error", () => { pulse.textContent = "not connected"; pulse.className = "pulse"; });
  addEventListener("pagehide", () => source.close());
}

// ---- keys ------------------------------------------------------------------------------------------------
const dialog = $("#keys");
$("#help").addEventListener("click", () => dialog.showModal());
let gone = false;
function along(step) {
  const page = $(step > 0 ? "a[rel=next]" : "a[rel=prev]");
  if (page) { page.click(); return; }
  const rows = $$("main tbody th[scope=row] a, main ul.cards a.lesson");
  const at = rows.indexOf(document.activeElement);
  const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
const KEYS = {
  "/": () => { const box = $("[data-search]"); box?.focus(); box?.select(); },
  "?": () => dialog.showModal(),
  j: () => along(1),
  k: () => along(-1),
  u: () => $("a[rel=up]")?.click(),
  e: unfold,
};
const GO = { s: "/", m: "/memory", c: "/compare" };
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  if (event.target.closest("input, select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const action = gone ? (GO[event.key] && (() => { location.href = GO[event.key]; })) : KEYS[event.key];
  gone = !gone && event.key === "g";
  if (action) { event.preventDefault(); action(); }
});

watch();
