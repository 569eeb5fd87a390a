// How each message looks.

import { element, formatted, icon, time, withoutMarks } from "./format.js";

const NAMES = {
  image: "📷 Foto", audio: "🎤 Mensagem de voz", video: "🎬 Vídeo", document: "📄 Documento", sticker: "Figurinha",
  location: "📍 Localização", contacts: "👤 Contato", order: "🛒 Pedido", unsupported: "Mensagem não suportada",
  system: "Mensagem do sistema", nfm_reply: "Formulário preenchido",
};
const TICKS = {
  sending: ["wait", "Enviando"], delivered: ["ticks", "Entregue ao Pyloto"], read: ["ticks", "Lida"],
};

export function preview(message) {
  if (message.revoked) return "Mensagem apagada";
  const name = NAMES[message.type];
  return [name, withoutMarks(message.text)].filter(Boolean).join(" · ").replace(/\s+/g, " ") || "Mensagem";
}

export function bubble(message, actions) {
  // `actions`: { quoted(wamid), answered(message), tap(message, choice), openList(message), menu(message),
  //              retry(message), jump(wamid) }
  const mine = message.from === "customer";
  const box = element("div", { className: `bubble ${mine ? "mine" : "theirs"}` });
  if (message.echo) box.append(element("span", { className: "origin", textContent: "escrito no aplicativo da empresa" }));
  if (message.quote) box.append(quote(message.quote, actions));
  box.append(...content(message));
  box.append(foot(message, mine));
  if (!message.revoked) {
    const more = element("button", { className: "more", type: "button", "aria-label": "Opções da mensagem" }, icon("more"));
    more.addEventListener("click", () => actions.menu(message));
    box.append(more);
    box.addEventListener("click", (event) => { // without a mouse there is no hovering: a tap on the bubble opens them
      if (matchMedia("(hover: none)").matches && !event.target.closest("button, a, audio")) actions.menu(message);
    });
  }
  const reactions = Object.values(message.reactions || {}).filter(Boolean);
  if (reactions.length) box.append(element("span", { className: "reactions", textContent: reactions.join("") }));
  const row = element("article", { className: `message ${mine ? "mine" : "theirs"}`, dataset: { wamid: message.wamid } }, box);
  if (reactions.length) row.classList.add("reacted");
  if (message.type === "buttons") row.append(replyButtons(message, actions));
  if (message.type === "list") row.append(listButton(message, actions));
  if (message.status === "refused") row.append(refused(message, actions));
  return row;
}

function content(message) {
  if (message.revoked) return [element("p", { className: "text quiet", textContent: "🚫 Mensagem apagada" })];
  const parts = [];
  const source = message.media_id ? `/api/media/${message.media_id}` : "";
  if (message.header) parts.push(element("p", { className: "heading", textContent: message.header }));
  if (message.type === "image" && source) parts.push(picture(source));
  else if (message.type === "audio" && source) parts.push(element("audio", { controls: true, preload: "metadata", src: source }));
  else if (NAMES[message.type]) parts.push(element("p", { className: "card", textContent: NAMES[message.type] }));
  if (message.text) parts.push(element("p", { className: "text" }, ...formatted(message.text)));
  if (message.footer) parts.push(element("p", { className: "footing", textContent: message.footer }));
  return parts;
}

function picture(source) {
  const image = element("img", { src: source, alt: "Foto enviada", loading: "lazy" });
  image.addEventListener("error", () => image.replaceWith(element("p", { className: "card", textContent: "📷 Foto que não existe mais" })));
  return image;
}

function quote(wamid, actions) {
  const original = actions.quoted(wamid);
  const who = original ? (original.from === "customer" ? "Você" : "Pyloto") : "Mensagem";
  const box = element(
    "button", { className: "quote", type: "button" },
    element("strong", { textContent: who }),
    element("span", { textContent: original ? preview(original) : "Mensagem antiga" }),
  );
  box.addEventListener("click", () => actions.jump(wamid));
  return box;
}

function foot(message, mine) {
  const foot = element("span", { className: "foot" });
  if (message.edited && !message.revoked) foot.append("editada ");
  foot.append(element("time", { textContent: time(message.at), dateTime: new Date(message.at).toISOString() }));
  const [name, label] = TICKS[message.status] || [];
  if (mine && name) {
    foot.append(element("span", { className: `ticks ${message.status}`, title: label, role: "img", "aria-label": label }, icon(name)));
  }
  return foot;
}

function replyButtons(message, actions) {
  const answered = actions.answered(message);
  const buttons = message.buttons.map((choice) => {
    const button = element("button", { type: "button", disabled: answered }, icon("reply"), element("span", { textContent: choice.title }));
    button.addEventListener("click", () => actions.tap(message, choice));
    return button;
  });
  return element("div", { className: "choices" }, ...buttons);
}

function listButton(message, actions) {
  const button = element("button", { type: "button" }, icon("list"), element("span", { textContent: message.button }));
  button.addEventListener("click", () => actions.openList(message));
  return element("div", { className: "choices" }, button);
}

function refused(message, actions) {
  const again = element("button", { type: "button", textContent: "tentar de novo" });
  again.addEventListener("click", () => actions.retry(message));
  const reason = `O Pyloto não recebeu (${message.error || "sem resposta"}).`;
  return element("p", { className: "refused" }, icon("alert"), element("span", { textContent: reason }), again);
}
