// What is live on a page comes as HTML from the worker itself. Without this script a page shows what was when it was opened.
"use strict";
const live = document.getElementById("live");
if (live && "EventSource" in window) {
    const state = document.getElementById("live-state");
    const source = new EventSource(live.dataset.live);
    source.addEventListener("overview", (event) => {
        live.innerHTML = event.data;
        state.textContent = "Live.";
    });
    source.addEventListener("error", () => {
        state.textContent = "The worker does not answer; trying again.";
    });
}
