// The chat of one conversation: replies that outlive a lost connection, and news without a reload. All of it works without
// this script too: the reply box is an ordinary form.
"use strict";

const EVERY_MS = 10000;
const PARTS = [".standing", ".chat-list", ".beside"];
const OFFLINE = "Sem conexão: não sabemos se a mensagem foi enviada. Tente de novo, sem mudar o texto: ela vai uma vez só.";
const SIGNED_OUT = "A mensagem não foi enviada: a sua sessão terminou. Entre de novo em outra aba, e copie o texto daqui.";
const BROKEN = "Não foi possível enviar agora. O texto continua aqui: tente de novo em instantes.";

const conversation = document.querySelector(".conversation[data-news]:not([data-is-old])");

function parse(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

function show(page) {
  for (const part of PARTS) {
    const [old, now] = [document.querySelector(part), page.querySelector(part)];
    if (old && now) old.replaceWith(now);
  }
  if (conversation) conversation.dataset.version = page.querySelector(".conversation").dataset.version;
}

function characters(text) {
  return [...text.trim()].length; // as the server counts, which is not how a string's length does
}

function note(form, text) {
  let place = form.querySelector(".reply-note");
  if (!place) {
    place = document.createElement("p");
    place.setAttribute("role", "alert");
    form.prepend(place);
  }
  place.className = "reply-note is-danger";
  place.textContent = text;
}

async function post(form) {
  const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
  return { url: answer.url, text: await answer.text() }; // the connection can be lost in the middle of an answer too
}

function watchReply(form) {
  const text = form.querySelector("textarea");
  if (!text) return;
  const count = form.querySelector(".reply-count");
  const button = form.querySelector("button");
  const max = Number(text.dataset.max);
  let isSending = false;

  function refresh() {
    const used = characters(text.value);
    count.textContent = `${used} de ${max} caracteres`;
    count.classList.toggle("is-over", used > max);
    button.disabled = isSending || used > max;
  }

  async function send() {
    // The key in the form makes it one message, however often it is sent.
    const answer = await post(form).catch(() => null);
    if (answer === null) return note(form, OFFLINE);
    const page = parse(answer.text);
    const fresh = page.querySelector(".reply");
    if (!page.querySelector(".conversation")) return note(form, answer.url.includes("/login/") ? SIGNED_OUT : BROKEN);
    show(page);
    if (!fresh) return form.remove();
    form.replaceWith(fresh);
    if (fresh.matches("form")) watchReply(fresh).focus();
  }

  text.addEventListener("input", refresh);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit(button);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isSending || characters(text.value) === 0 || characters(text.value) > max) return;
    isSending = true;
    refresh();
    try {
      await send();
    } finally {
      isSending = false;
      refresh();
    }
  });
  refresh();
  return text;
}

function isBusy() {
  const plays = [...document.querySelectorAll(".chat audio, .chat video")].some((media) => !media.paused);
  return plays || document.querySelector(".standing details[open], .bubble details[open]") !== null;
}

async function lookForNews() {
  if (document.hidden || isBusy()) return;
  const answer = await fetch(conversation.dataset.news, { redirect: "error" });
  if (!answer.ok || (await answer.json()).version === conversation.dataset.version) return;
  const page = parse(await (await fetch(conversation.dataset.page)).text());
  if (!page.querySelector(".conversation")) return;
  const text = document.querySelector(".reply textarea");
  const mayWrite = page.querySelector(".reply textarea") !== null;
  if (mayWrite !== (text !== null) && !(text && text.value.trim())) return location.assign(conversation.dataset.page);
  show(page);
}

document.querySelectorAll("form.reply").forEach(watchReply);
if (conversation) {
  const look = () => lookForNews().catch(() => {}); // offline or signed out: the next page tells
  setInterval(look, EVERY_MS);
  document.addEventListener("visibilitychange", look);
}
