// What pages do beyond forms and links. Nothing that decides depends on it.
"use strict";

(() => {
  const skew = Date.now() - Date.parse(document.body.dataset.now);
  const streams = new Map();
  const note = document.getElementById("live-note");
  let pending = null;

  // Time left, by the server's clock.
  function span(seconds) {
    const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
    let rest = Math.max(0, Math.floor(seconds));
    const parts = [];
    for (const [size, unit] of units) {
      if (rest >= size) {
        parts.push(`${Math.floor(rest / size)} ${unit}`);
        rest %= size;
      } else if (parts.length) break;
      if (parts.length === 2) break;
    }
    return parts.join(" ") || "0 s";
  }

  function tick() {
    for (const time of document.querySelectorAll("time[data-due]")) {
      const left = (Date.parse(time.dataset.due) - (Date.now() - skew)) / 1000;
      const text = left > 0 ? `${span(left)} left` : `overdue for ${span(-left)}`;
      if (time.textContent !== text) time.textContent = text;
      time.classList.toggle("bad", left <= 0);
      time.classList.toggle("wait", left > 0);
    }
  }

  // One stream for each address that the page names; parts of the page listen to its words.
  function listen() {
    const wanted = new Set([...document.querySelectorAll("[data-live]")].map((e) => e.dataset.live));
    for (const [address, stream] of streams) {
      if (!wanted.has(address)) {
        stream.close();
        streams.delete(address);
      }
    }
    for (const address of wanted) {
      if (!streams.has(address)) streams.set(address, opened(address));
    }
  }

  function opened(address) {
    const stream = new EventSource(address);
    stream.addEventListener("queue", (event) => {
      const now = JSON.parse(event.data).pending;
      if (pending !== null && now !== pending) {
        say(now === 1 ? "1 call waits in your queue" : `${now} calls wait in your queue`);
      }
      pending = now;
      // Also for the first word: something may have changed since the page was made.
      tell("queue");
    });
    stream.addEventListener("run", () => tell("run"));
    stream.addEventListener("ended", () => {
      stream.close();
      tell("run");
    });
    return stream;
  }

  function tell(name) {
    document.body.dispatchEvent(new CustomEvent(name));
  }

  function say(text) {
    if (note) note.textContent = text;
  }

  // What was decided meanwhile can no longer be sent from here.
  function settle() {
    tick();
    listen();
    const answers = document.getElementById("answers");
    const standing = document.getElementById("standing");
    if (!standing) return;
    if (!("closed" in standing.dataset)) {
      // A claim of somebody else has ended: now there are forms.
      if (!answers) window.location.reload();
      return;
    }
    if (!answers) return;
    for (const button of answers.querySelectorAll("button")) button.disabled = true;
  }

  // Keys, as an extra: they move and open, and send nothing.
  function rows() {
    return [...document.querySelectorAll("[data-rows] h2 a")];
  }

  function move(by) {
    const links = rows();
    if (!links.length) return false;
    const at = links.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : links.length - 1) : at + by;
    links[Math.min(links.length - 1, Math.max(0, next))].focus();
    return true;
  }

  function open(key) {
    const details = document.querySelector(`.answers details[data-key="${key}"]`);
    if (!details) return false;
    details.open = true;
    const field = details.querySelector("textarea, input:not([type=hidden]), select, button");
    if (field) field.focus();
    return true;
  }

  function search() {
    const field = document.querySelector(".filters input[type=search]");
    if (field) field.focus();
    return Boolean(field);
  }

  // Single letters get in the way of those who dictate, so they can be turned off, for good.
  function off() {
    try {
      return localStorage.getItem("concertmaster-keys") === "off";
    } catch {
      return false;
    }
  }

  function shown() {
    for (const line of document.querySelectorAll("[data-keys]")) {
      line.toggleAttribute("data-off", off());
      line.querySelector("button").textContent = off() ? "Turn keys on" : "Turn keys off";
    }
  }

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-keys] button")) return;
    try {
      localStorage.setItem("concertmaster-keys", off() ? "on" : "off");
    } catch {
      return;
    }
    shown();
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest("input, textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (off()) return;
    const keys = { j: () => move(1), k: () => move(-1), "/": search };
    const handled = keys[event.key] ? keys[event.key]() : "aers".includes(event.key) && open(event.key);
    if (handled) event.preventDefault();
  });

  // A form is sent once; going back to the page lets it be sent again.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-once]")) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
  });

  window.addEventListener("pageshow", (event) => {
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
    }
    // A page out of the browser's memory may be of another session.
    if (event.persisted) window.location.reload();
  });

  window.addEventListener("pagehide", () => {
    for (const stream of streams.values()) stream.close();
    streams.clear();
  });

  document.addEventListener("htmx:after:swap", settle);
  settle();
  shown();
  setInterval(tick, 1000);
  document.querySelector("[data-focus]")?.focus();
})();
