// The judge's page: keys, drafts, time spent, and going on when the network is back. No framework; htmx does the rest.
"use strict";
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const RETRY = 2500;

  // -- what is kept in the browser ---------------------------------------------------------------------------------
  const judge = () => $("#task")?.dataset.judge ?? "";
  const slot = () => $("#task")?.dataset.slot ?? "";
  const store = {
    get(key) { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } },
    set(key, value) { try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* private windows may refuse */ } },
    drop(key) { try { localStorage.removeItem(key); } catch { /* as above */ } },
  };
  const pendingKey = () => `imitative-pending-${judge()}`;
  const draftKey = () => `imitative-draft-${judge()}-${slot()}`;

  // -- the time a judge spends looking, not the time a window lies open -----------------------------------------------
  let spent = 0, since = 0;
  const begin = () => { spent = 0; since = document.hidden ? 0 : performance.now(); };
  const seconds = () => (spent + (since ? performance.now() - since : 0)) / 1000;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { if (since) spent += performance.now() - since; since = 0; } else since = performance.now();
  });

  // -- what is told ---------------------------------------------------------------------------------------------------
  const say = (text) => { const b = $("#banner"); if (b) { b.textContent = text; b.hidden = !text; } };

  // -- drafts -----------------------------------------------------------------------------------------------------------
  let timer = 0;
  const fields = () => Object.fromEntries($$("[data-draft]").map((f) => [f.name, f.value]));
  const keepDraft = () => {
    if (!slot()) return;
    store.set(draftKey(), fields());
    clearTimeout(timer);
    const at = slot();
    timer = setTimeout(() => {
      if (slot() !== at || !navigator.onLine) return;
      fetch("/judge/draft", { method: "POST", body: new URLSearchParams({ slot: at, ...fields() }) }).catch(() => {});
    }, 700);
  };
  const restoreDraft = () => {
    const kept = slot() && store.get(draftKey());
    if (!kept) return;
    for (const field of $$("[data-draft]")) {
      const text = kept[field.name];
      if (typeof text === "string" && text && text !== field.value) {
        field.value = text;
        const around = field.closest("details");
        if (around) around.open = true;
      }
    }
  };
  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-draft]")) keepDraft();
    if (event.target.matches("[data-find]")) find(event.target.value);
    if (event.target.id === "text" && $("#proposal-problem")) unread($("#proposal-problem"), "");
  });

  // -- finding in long hypotheses ------------------------------------------------------------------------------------
  const find = (text) => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const line of $$("#task .side .lines > li")) {
      const has = words.every((word) => line.textContent.toLowerCase().includes(word));
      line.hidden = !has;
      if (has) found += 1;
    }
    if (words.length) for (const rest of $$("#task details.rest")) rest.open = true;
    const told = $("[data-found]");
    if (told) told.textContent = words.length ? `${found} found` : "";
  };

  // -- sending, and sending again ---------------------------------------------------------------------------------------
  let waiting = 0;
  const isAnswer = (path) => path === "/judge/answer" || path === "/judge/undo";
  document.addEventListener("htmx:configRequest", (event) => {
    const { path, parameters, elt } = event.detail;
    if (path === "/judge/answer" && elt.id === "answer" && !event.detail.triggeringEvent?.detail?.again) {
      parameters.seconds = seconds().toFixed(2);
    }
    if (isAnswer(path)) store.set(pendingKey(), { path, values: Object.fromEntries(Object.entries(parameters)) });
  });
  const failed = () => {
    say("Not sent yet: there is no connection. What you said is kept, and is sent when the connection is back.");
    for (const button of $$("#task button")) button.disabled = true;
    clearTimeout(waiting);
    waiting = setTimeout(resend, RETRY);
  };
  const resend = () => {
    const pending = store.get(pendingKey());
    if (!pending || !window.htmx || !$("#task")) return;
    clearTimeout(waiting);
    htmx.ajax("POST", pending.path, { target: "#task", swap: "outerHTML", values: pending.values, source: "#task" });
  };
  const ended = (event) => isAnswer(event.detail.pathInfo?.requestPath ?? event.detail.requestConfig?.path ?? "");
  document.addEventListener("htmx:sendError", (event) => { if (ended(event)) failed(); });
  document.addEventListener("htmx:timeout", (event) => { if (ended(event)) failed(); });
  document.addEventListener("htmx:responseError", (event) => {
    const { status, responseText } = event.detail.xhr;
    if (status === 401) { location.assign("/join"); return; }
    if (ended(event) && (status >= 500 || status === 429)) { failed(); return; }
    const told = responseText.length < 1200 ? responseText : "That was refused.";
    const beside = $("#proposal-problem");
    if (beside && event.detail.elt.id === "propose") { unread(beside, told); return; }
    say(told);
    if (ended(event)) {
      store.drop(pendingKey());
      if (status !== 422) htmx.ajax("GET", "/judge/next", { target: "#task", swap: "outerHTML" });
      else for (const button of $$("#task button")) button.disabled = false;
    }
  });
  // What is wrong with a text stands beside it, is read out, and goes away when the text is changed or accepted.
  const unread = (beside, told) => {
    beside.textContent = told;
    beside.hidden = !told;
    const text = $("#text");
    if (!text) return;
    if (told) text.setAttribute("aria-invalid", "true"); else text.removeAttribute("aria-invalid");
  };
  window.addEventListener("online", resend);
  window.addEventListener("offline", () => say("There is no connection. Go on: what you say is kept, and sent later."));

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (ended(event) && event.detail.xhr.status < 300) {
      store.drop(pendingKey());
      store.drop(draftKey());
    }
  });
  // What a lead has opened, and where they stand, stays so when the figures are counted anew.
  let kept = { open: new Set(), at: "" };
  const folds = () => {
    const seen = new Map();
    return $$("#figures details").map((details) => {
      const name = `${details.closest("section")?.getAttribute("aria-label")} ${$("summary", details)?.textContent}`;
      seen.set(name, (seen.get(name) ?? 0) + 1);
      return [`${name} ${seen.get(name)}`, details];
    });
  };
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target?.id !== "figures") return;
    const at = document.activeElement?.closest?.("#figures summary")?.parentElement;
    kept = { open: new Set(), at: "" };
    for (const [name, details] of folds()) {
      if (details.open) kept.open.add(name);
      if (details === at) kept.at = name;
    }
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target?.id !== "figures") return;
    for (const [name, details] of folds()) {
      if (kept.open.has(name)) details.open = true;
      if (name === kept.at) $("summary", details).focus({ preventScroll: true });
    }
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target?.id !== "task" && event.target.id !== "task") return;
    say("");
    arrived();
    if (isAnswer(event.detail.pathInfo?.requestPath ?? "")) {
      const heading = $("#task h1");
      if (heading) { heading.tabIndex = -1; heading.focus({ preventScroll: true }); }
      window.scrollTo({ top: 0 });
    }
  });

  // -- keys -----------------------------------------------------------------------------------------------------------
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "Escape" && typing) { typing.blur(); return; }
    if (typing || !$("#task")) return;
    const help = $("#help");
    if (help?.open) return;
    if (event.key === "?") { help?.showModal(); event.preventDefault(); return; }
    const button = $$("#task [data-key]").find((each) => each.dataset.key.split(" ").includes(event.key));
    if (!button || button.disabled) return;
    event.preventDefault();
    if (button.tagName === "SUMMARY") {
      const around = button.closest("details");
      around.open = true;
      $("button", around)?.focus();
    } else button.click();
  });

  // -- an invitation comes after the #, which no server and no log ever sees ---------------------------------------------
  const invited = () => {
    const field = $("#join #token");
    const token = location.hash.slice(1);
    if (!field || !/^[A-Za-z0-9_-]{20,}$/.test(token)) return;
    field.value = token;
    history.replaceState(null, "", location.pathname);
    field.form.requestSubmit();
  };

  window.addEventListener("hashchange", invited);

  const arrived = () => { begin(); restoreDraft(); };
  document.addEventListener("DOMContentLoaded", () => {
    invited();
    arrived();
    const pending = store.get(pendingKey());
    if (pending) { say("Sending what you said before…"); resend(); }
  });
})();
