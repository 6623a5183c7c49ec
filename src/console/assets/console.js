// What is live on a page comes as HTML from the worker itself. Without this script a page shows what was when it was opened.
"use strict";
const live = document.getElementById("live");
if (live && "EventSource" in window) {
    const state = document.getElementById("live-state");
    const source = new EventSource(live.dataset.live);
    let shown;
    const say = (text, ...more) => {
        // Said once: those who hear the page would hear it every few seconds.
        if (state.textContent !== text) {
            state.replaceChildren(text, ...more);
        }
    };
    source.addEventListener("overview", (event) => {
        say("Live.");
        if (event.data === shown) {
            return;
        }
        shown = event.data;
        const focused = live.contains(document.activeElement) ? document.activeElement.id : null;
        live.innerHTML = shown;
        if (focused !== null) {
            // What is gone leaves its place to the content.
            const place = document.getElementById(focused) ?? document.getElementById("main");
            place.focus({ preventScroll: true });
        }
    });
    source.addEventListener("error", () => {
        if (source.readyState !== EventSource.CLOSED) {
            say("The worker does not answer; trying again.");
            return;
        }
        // It was refused, and is not asked again. The page itself leads to the login, and back.
        const link = document.createElement("a");
        link.href = location.pathname + location.search;
        link.textContent = "Log in again";
        say("Not live any more: the session is over, or the worker is busy. ", link);
    });
}
