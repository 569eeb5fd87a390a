// The chat of one conversation: the reply box, and news without a reload. Everything works without this script too.
"use strict";

const EVERY_MS = 10000;
const PARTS = [".standing", ".chat-list", ".beside"];

function characters(text) {
  return [...text.trim()].length; // as the server counts, which is not how a string's length does
}

function watchReply(form) {
  const text = form.querySelector("textarea");
  if (!text) return;
  const count = form.querySelector(".reply-count");
  const button = form.querySelector("button");
  const max = Number(text.dataset.max);
  let sent = false;
  const show = () => {
    const used = characters(text.value);
    count.textContent = `${used} de ${max} caracteres`;
    count.classList.toggle("is-over", used > max);
    button.disabled = sent || used > max;
  };
  text.addEventListener("input", show);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit(button);
  });
  form.addEventListener("submit", (event) => {
    if (sent || characters(text.value) === 0 || characters(text.value) > max) return event.preventDefault();
    sent = true;
    setTimeout(show); // not at once: a disabled button ends the submit
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload(); // the browser kept a page whose message was sent
  });
  show();
}

function isBusy() {
  const plays = [...document.querySelectorAll(".chat audio, .chat video")].some((media) => !media.paused);
  return plays || document.querySelector(".standing details[open], .bubble details[open]") !== null;
}

async function lookForNews(conversation) {
  if (document.hidden || isBusy()) return;
  const answer = await fetch(conversation.dataset.news, { redirect: "error" });
  if (!answer.ok || (await answer.json()).version === conversation.dataset.version) return;
  const page = new DOMParser().parseFromString(await (await fetch(location.pathname)).text(), "text/html");
  const fresh = page.querySelector(".conversation");
  if (!fresh) return;
  const text = document.querySelector(".reply textarea");
  const mayWrite = page.querySelector(".reply textarea") !== null;
  if (mayWrite !== (text !== null) && !(text && text.value.trim())) return location.reload();
  for (const part of PARTS) {
    const [old, now] = [document.querySelector(part), page.querySelector(part)];
    if (old && now) old.replaceWith(now);
  }
  conversation.dataset.version = fresh.dataset.version;
}

document.querySelectorAll("form.reply").forEach(watchReply);
const conversation = document.querySelector(".conversation[data-news]:not([data-is-old])");
if (conversation) {
  const look = () => lookForNews(conversation).catch(() => {}); // offline or signed out: the next page tells
  setInterval(look, EVERY_MS);
  document.addEventListener("visibilitychange", look);
}
