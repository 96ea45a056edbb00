// What HTML and htmx cannot do: say when the page is out of date, count down, keys, and keep a
// finger from hitting a part that has just slid under it.
(() => {
  "use strict";
  const SILENT_MS = 40000; // the box sends a beat every 15 s
  const ARM_MS = 700; // a part must have been in view this long before it can be judged
  const body = document.body;
  const notice = document.getElementById("notice");
  const contact = document.querySelector("[data-contact]");
  let clockAhead = Number(body.dataset.now) - Date.now(); // of the box against this screen
  let heardAt = performance.now();
  let front = null;
  let frontSince = 0;

  document.documentElement.classList.add("js");

  // ---- is what we show still true? ----

  function lost(sentence) {
    body.classList.add("stale");
    body.classList.remove("live");
    notice.textContent = sentence;
    notice.hidden = false;
    if (contact) contact.textContent = "not live";
  }

  function heard() {
    heardAt = performance.now();
    body.classList.remove("stale");
    body.classList.add("live");
    notice.hidden = true;
    if (contact) contact.textContent = "live";
  }

  document.addEventListener("hello", (event) => {
    const hello = JSON.parse(event.detail.data);
    if (hello.process !== body.dataset.process) location.reload(); // the box's page was restarted
    clockAhead = hello.now - Date.now();
    heard();
  });
  document.addEventListener("beat", heard);
  document.addEventListener("htmx:sse:after:message", heard);
  document.addEventListener("htmx:sse:error", () =>
    lost("No contact with the box. What you see is old. Trying again; look at the box itself."));
  document.addEventListener("htmx:response:error", (event) => {
    if (event.detail.ctx.request.action !== "/events") return;
    lost(event.detail.ctx.text);
    setTimeout(() => location.reload(), 10000);
  });
  if (document.getElementById("live")) {
    setInterval(() => {
      if (!document.hidden && performance.now() - heardAt > SILENT_MS)
        lost("The box has been silent for a while. What you see is old.");
    }, 2000);
    document.addEventListener("visibilitychange", () => { heardAt = performance.now(); });
  }

  // ---- time left ----

  function tick() {
    const now = Date.now() + clockAhead;
    for (const element of document.querySelectorAll("[data-until]")) {
      const leftS = Math.max(0, (Date.parse(element.dataset.until) - now) / 1000);
      if (element.localName === "progress") element.value = leftS / Number(element.dataset.totalS);
      else element.textContent = leftS > 0
        ? `(${Math.floor(leftS / 60)}:${String(Math.floor(leftS % 60)).padStart(2, "0")} left)`
        : "(time is up)";
    }
    const shown = document.querySelector("[data-front]")?.dataset.front ?? null;
    if (shown !== front) [front, frontSince] = [shown, performance.now()];
  }
  setInterval(tick, 250);
  document.addEventListener("htmx:after:settle", tick);
  tick();

  // ---- verdicts: by hand or by key ----

  document.addEventListener("submit", (event) => {
    const tooSoon = performance.now() - frontSince < ARM_MS;
    if (event.target.closest("[data-front]") && tooSoon) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }, true);

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input[type=text], textarea, select");
    if (typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    const verdict = { p: "pass", r: "rework" }[key];
    if (verdict) document.querySelector(`.verdicts button[value=${verdict}]:enabled`)?.click();
    if (key === "h") document.getElementById("show-heat")?.click();
  });

  document.addEventListener("needs-name", () => {
    const name = document.getElementById("name");
    name.closest("details")?.setAttribute("open", "");
    name.focus();
  });

  // ---- heatmap: how strong, remembered on this screen ----

  const strength = document.getElementById("heat-strength");
  const shown = document.getElementById("show-heat");
  const remember = (name, value) => { try { localStorage.setItem(name, value); } catch { /* full */ } };
  const recall = (name) => { try { return localStorage.getItem(name); } catch { return null; } };

  function showHeat() {
    document.documentElement.style.setProperty("--heat", strength.value / 100);
    remember("heat-strength", strength.value);
    remember("heat-shown", shown.checked ? "yes" : "no");
  }
  if (strength && shown) {
    strength.value = recall("heat-strength") ?? strength.value;
    shown.checked = recall("heat-shown") !== "no";
    strength.addEventListener("input", showHeat);
    shown.addEventListener("change", showHeat);
    showHeat();
  }
})();
