// The page: customers on the left, the phone of one of them, and what may go wrong on the right.

import { bubble, preview } from "./bubbles.js";
import { dayName, element, icon, phoneNumber, time, timeOrDay } from "./format.js";
import { showMisbehaviour, wirePanel } from "./panel.js";
import { startRecording } from "./voice.js";

const byId = (id) => document.getElementById(id);
const SUGGESTIONS = [
  "Oi", "Preciso de um sistema para a minha empresa", "Quero uma entrega agora", "Onde vocês ficam?", "Quero falar com uma pessoa",
];
const EMOJIS = ["👍", "❤️", "😂", "😮", "😢", "🙏"];
const NEAR_BOTTOM_PIXELS = 120;

const state = {
  customers: new Map(), // customer_id -> customer
  chats: new Map(), // customer_id -> Map(wamid -> message)
  unread: new Map(),
  typing: new Map(), // customer_id -> timer
  drafts: new Map(),
  current: null,
  quoting: null,
  recording: null,
  misbehaviour: { fail_next: [] },
};

// --- talking to the simulator -------------------------------------------------------------------------------------------
class Refused extends Error {}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused("O simulador não responde. Ele está ligado?");
  }
  const data = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(data.error || "Não deu certo.");
  return data;
}

const post = (path, data) =>
  request(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(data) });

async function attempt(action) {
  // Run it; a failure becomes a message on the phone. Says whether it went well.
  try {
    await action();
    return true;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    say(error.message);
    return false;
  }
}

let toastTimer;
function say(text) {
  byId("toast").textContent = text;
  byId("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (byId("toast").hidden = true), 4000);
}

function listen() {
  const events = new EventSource("/api/events");
  events.addEventListener("hello", () => attempt(loadAll));
  events.addEventListener("customer", (event) => addCustomer(JSON.parse(event.data)));
  events.addEventListener("message", (event) => receive(JSON.parse(event.data)));
  events.addEventListener("typing", (event) => startTyping(JSON.parse(event.data)));
  events.addEventListener("misbehaviour", (event) => setMisbehaviour(JSON.parse(event.data)));
  events.addEventListener("open", () => (byId("offline").hidden = true));
  events.addEventListener("error", () => {
    byId("offline").hidden = false;
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000); // else the browser reconnects by itself
  });
}

async function loadAll() {
  const all = await request("/api/snapshot");
  state.customers = new Map(all.customers.map((customer) => [customer.customer_id, customer]));
  state.chats = new Map(
    Object.entries(all.chats).map(([id, chat]) => [id, new Map(chat.map((message) => [message.wamid, message]))]),
  );
  setMisbehaviour(all.misbehaviour);
  const wanted = location.hash.slice(1);
  if (!state.customers.has(state.current)) state.current = state.customers.has(wanted) ? wanted : (all.customers.at(-1)?.customer_id ?? null);
  drawPeople();
  drawChat();
}

// --- what happened ------------------------------------------------------------------------------------------------------
function addCustomer(customer) {
  state.customers.set(customer.customer_id, customer);
  if (!state.chats.has(customer.customer_id)) state.chats.set(customer.customer_id, new Map());
  drawPeople();
}

function receive({ customer_id: id, message }) {
  const chat = state.chats.get(id) || new Map();
  state.chats.set(id, chat);
  const isNew = !chat.has(message.wamid);
  chat.set(message.wamid, message);
  if (isNew && message.from === "business") {
    stopTyping(id);
    if (id !== state.current) state.unread.set(id, (state.unread.get(id) || 0) + 1);
  }
  drawPeople();
  if (id === state.current) drawMessage(message, isNew);
}

function startTyping({ customer_id: id, seconds }) {
  clearTimeout(state.typing.get(id));
  state.typing.set(id, setTimeout(() => stopTyping(id), seconds * 1000));
  drawTyping();
}

function stopTyping(id) {
  clearTimeout(state.typing.get(id));
  state.typing.delete(id);
  drawTyping();
}

function setMisbehaviour(current) {
  state.misbehaviour = current;
  showMisbehaviour(current);
}

// --- the list of customers ----------------------------------------------------------------------------------------------
const shown = (id) => [...(state.chats.get(id)?.values() || [])].filter((message) => !message.hidden);

let peopleDrawing = 0;
function drawPeople() {
  cancelAnimationFrame(peopleDrawing); // two hundred messages at once draw the list once
  peopleDrawing = requestAnimationFrame(() => {
    const people = [...state.customers.values()].map((customer) => ({ customer, last: shown(customer.customer_id).at(-1) }));
    const newest = ({ customer, last }) => last?.at ?? (customer.customer_id === state.current ? Infinity : 0);
    people.sort((a, b) => newest(b) - newest(a) || b.customer.customer_id.localeCompare(a.customer.customer_id));
    byId("customer-list").replaceChildren(...people.map(person));
    byId("no-customers").hidden = people.length > 0;
  });
}

function person({ customer, last }) {
  const id = customer.customer_id;
  const unread = state.unread.get(id) || 0;
  const line = last ? (last.from === "customer" ? "Você: " : "") + preview(last) : "Ainda não escreveu";
  const button = element(
    "button", { type: "button", className: "person", dataset: { customer: id } },
    element("span", { className: `avatar hue-${Number(id.slice(1)) % 6}`, textContent: initials(customer.name), "aria-hidden": "true" }),
    element(
      "span", { className: "person-text" },
      element("strong", { textContent: customer.name }),
      element("span", { className: "person-line", textContent: line }),
    ),
    element(
      "span", { className: "person-side" },
      element("time", { textContent: last ? timeOrDay(last.at) : "" }),
      unread ? element("b", { className: "badge", textContent: unread, "aria-label": `${unread} não lidas` }) : null,
    ),
  );
  if (id === state.current) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => choose(id));
  return element("li", {}, button);
}

const initials = (name) => name.split(/\s+/).map((part) => [...part][0] || "").slice(0, 2).join("").toUpperCase();

function choose(id) {
  if (state.current) state.drafts.set(state.current, byId("text").value);
  state.current = id;
  state.unread.delete(id);
  location.replace(`#${id}`);
  byId("text").value = state.drafts.get(id) || "";
  stopQuoting();
  document.body.classList.remove("people-open");
  drawPeople();
  drawChat();
  byId("text").focus();
}

// --- the phone ----------------------------------------------------------------------------------------------------------
const nodes = new Map(); // wamid -> its node in the open chat
const messages = byId("messages");

const actions = {
  quoted: (wamid) => state.chats.get(state.current)?.get(wamid),
  answered: (message) => shown(state.current).some((other) => other.quote === message.wamid && other.type === "button_reply"),
  tap: (message, choice) => write({ type: "button_reply", id: choice.id, title: choice.title, quote: message.wamid }),
  openList,
  menu: openMenu,
  retry: (message) => attempt(() => post("/api/retry", { wamid: message.wamid })),
  jump(wamid) {
    const node = nodes.get(wamid);
    if (!node) return;
    node.scrollIntoView({ block: "center", behavior: "smooth" });
    node.classList.add("found");
    setTimeout(() => node.classList.remove("found"), 1200);
  },
};

function drawChat() {
  const customer = state.customers.get(state.current);
  const chat = customer ? shown(state.current) : [];
  byId("nobody").hidden = Boolean(customer);
  byId("composer").hidden = messages.hidden = !customer;
  byId("who").textContent = customer ? customer.name : "";
  byId("who").title = customer ? customer.phone ? phoneNumber(customer.phone) : `@${customer.username} (sem telefone)` : "";
  nodes.clear();
  closeSheet();
  messages.replaceChildren();
  if (customer) messages.append(element("p", { className: "notice", textContent: identity(customer) }));
  if (customer && !chat.length) messages.append(suggestions());
  for (const message of chat) append(message);
  drawTyping();
  showComposerButton();
  toBottom();
}

function identity(customer) {
  const known = customer.phone ? phoneNumber(customer.phone) : `@${customer.username}, sem telefone à vista`;
  return `Este é o telefone de ${customer.name} (${known}).`;
}

function suggestions() {
  const chips = SUGGESTIONS.map((text) => {
    const chip = element("button", { type: "button", textContent: text });
    chip.addEventListener("click", () => write({ type: "text", text }));
    return chip;
  });
  return element("div", { className: "suggestions" }, element("p", { textContent: "Escreva abaixo, ou comece por aqui:" }), ...chips);
}

function append(message) {
  const last = [...nodes.values()].at(-1);
  const today = dayName(message.at);
  if (!last || last.dataset.day !== today) messages.append(element("p", { className: "day", textContent: today }));
  const node = bubble(message, actions);
  node.dataset.day = today;
  nodes.set(message.wamid, node);
  messages.append(node);
}

function drawMessage(message, isNew) {
  if (message.hidden) return;
  const stay = atBottom;
  const old = nodes.get(message.wamid);
  if (old) {
    const node = bubble(message, actions);
    node.dataset.day = old.dataset.day;
    nodes.set(message.wamid, node);
    old.replaceWith(node);
  } else {
    messages.querySelector(".suggestions")?.remove();
    append(message);
    if (message.quote) redraw(message.quote); // its buttons are used up
  }
  drawTyping();
  if (stay || (isNew && message.from === "customer")) toBottom();
}

function redraw(wamid) {
  const message = state.chats.get(state.current)?.get(wamid);
  const old = nodes.get(wamid);
  if (!message || !old) return;
  const node = bubble(message, actions);
  node.dataset.day = old.dataset.day;
  nodes.set(wamid, node);
  old.replaceWith(node);
}

function drawTyping() {
  messages.querySelector(".typing")?.remove();
  const types = state.typing.has(state.current);
  byId("presence").textContent = types ? "digitando…" : "online";
  if (!types) return;
  const dots = [1, 2, 3].map(() => element("i"));
  const stay = atBottom;
  messages.append(element("div", { className: "typing", role: "img", "aria-label": "Pyloto está digitando" }, ...dots));
  if (stay) toBottom();
}

let atBottom = true;
function toBottom() {
  messages.scrollTop = messages.scrollHeight;
  atBottom = true;
}
messages.addEventListener("scroll", () => {
  atBottom = messages.scrollHeight - messages.scrollTop - messages.clientHeight < NEAR_BOTTOM_PIXELS;
});
messages.addEventListener("load", () => atBottom && toBottom(), true); // a picture has grown

// --- writing ------------------------------------------------------------------------------------------------------------
function write(content) {
  return attempt(() => post(`/api/customers/${state.current}/messages`, content));
}

async function sendText() {
  const text = byId("text").value.trim();
  if (!text) return;
  const customer = state.current;
  const content = { type: "text", text, ...(state.quoting ? { quote: state.quoting } : {}) };
  byId("text").value = "";
  fitText();
  const quoted = state.quoting;
  stopQuoting();
  if (!(await write(content)) && state.current === customer && !byId("text").value) {
    byId("text").value = text; // nothing that was written is lost
    if (quoted) startQuoting(actions.quoted(quoted));
    fitText();
  }
}

async function sendFile(type, file) {
  if (!file) return;
  await attempt(async () => {
    const sent = await request("/api/media", { method: "POST", headers: { "Content-Type": file.type || "application/octet-stream" }, body: file });
    const caption = type === "image" ? byId("text").value.trim() : "";
    if (caption) byId("text").value = "";
    await post(`/api/customers/${state.current}/messages`, { type, media_id: sent.media_id, caption });
    showComposerButton();
  });
}

function fitText() {
  const text = byId("text");
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight, 120)}px`;
  showComposerButton();
}

function showComposerButton() {
  const empty = !byId("text").value.trim();
  const button = byId("send");
  button.replaceChildren(icon(empty ? "mic" : "send"));
  button.setAttribute("aria-label", empty ? "Gravar mensagem de voz" : "Enviar");
}

function startQuoting(message) {
  if (!message) return;
  state.quoting = message.wamid;
  byId("quoting-who").textContent = message.from === "customer" ? "Você" : "Pyloto";
  byId("quoting-text").textContent = preview(message);
  byId("quoting").hidden = false;
  byId("text").focus();
}

function stopQuoting() {
  state.quoting = null;
  byId("quoting").hidden = true;
}

// --- voice --------------------------------------------------------------------------------------------------------------
async function record() {
  const recording = await startRecording();
  if (!recording) {
    say("Sem microfone aqui: foi uma nota de voz de exemplo.");
    await write({ type: "audio" });
    return;
  }
  const startedAt = Date.now();
  const ticking = setInterval(() => {
    const seconds = Math.floor((Date.now() - startedAt) / 1000);
    byId("recording-time").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }, 250);
  state.recording = { recording, ticking };
  byId("recording").hidden = false;
  byId("write").hidden = true;
}

async function endRecording(send) {
  const { recording, ticking } = state.recording;
  state.recording = null;
  clearInterval(ticking);
  byId("recording").hidden = true;
  byId("write").hidden = false;
  byId("recording-time").textContent = "0:00";
  if (send) await sendFile("audio", await recording.stop());
  else await recording.cancel();
}

// --- sheets -------------------------------------------------------------------------------------------------------------
function openSheet(title, ...rows) {
  byId("sheet-title").textContent = title;
  byId("sheet-rows").replaceChildren(...rows);
  byId("sheet").hidden = byId("shade").hidden = false;
  (byId("sheet-rows").querySelector("button") || byId("close-sheet")).focus();
}

function closeSheet() {
  byId("sheet").hidden = byId("shade").hidden = true;
}

function sheetRow(title, description, act) {
  const row = element(
    "button", { type: "button", className: "sheet-row" },
    element("strong", { textContent: title }), description ? element("span", { textContent: description }) : null,
  );
  row.addEventListener("click", () => {
    closeSheet();
    act();
  });
  return row;
}

function openList(message) {
  const rows = message.sections.flatMap((section) => [
    ...(section.title ? [element("h3", { textContent: section.title })] : []),
    ...section.rows.map((row) =>
      sheetRow(row.title, row.description, () =>
        write({ type: "list_reply", id: row.id, title: row.title, description: row.description || "", quote: message.wamid }),
      ),
    ),
  ]);
  openSheet(message.button, ...rows);
}

function openMenu(message) {
  const mine = message.reactions?.customer || "";
  const emojis = EMOJIS.map((emoji) => {
    const button = element("button", { type: "button", textContent: emoji, "aria-label": `Reagir com ${emoji}` });
    button.setAttribute("aria-pressed", String(mine === emoji));
    button.addEventListener("click", () => {
      closeSheet();
      write({ type: "reaction", wamid: message.wamid, emoji: mine === emoji ? "" : emoji });
    });
    return button;
  });
  const rows = [sheetRow("Responder", "", () => startQuoting(message))];
  if (message.from === "customer") rows.push(sheetRow("Apagar para todos", "", () => write({ type: "revoke", wamid: message.wamid })));
  openSheet("Esta mensagem", element("div", { className: "emojis" }, ...emojis), ...rows);
}

function openAttachments() {
  openSheet(
    "Anexar",
    sheetRow("Foto", "Do seu computador; o texto escrito vira legenda", () => byId("photo-file").click()),
    sheetRow("Foto de exemplo", "", () => write({ type: "image", caption: byId("text").value.trim() })),
    sheetRow("Áudio", "Do seu computador, como mensagem de voz", () => byId("audio-file").click()),
    sheetRow("Voz de exemplo", "Dois segundos de silêncio", () => write({ type: "audio" })),
    sheetRow("Localização", "Centro de Ponta Grossa", () => write({ type: "location" })),
    sheetRow("Contato", "Um contato inventado", () => write({ type: "contacts" })),
    sheetRow("Enquete", "O WhatsApp não a entrega às empresas", () => write({ type: "unsupported" })),
  );
}

// --- new customers ------------------------------------------------------------------------------------------------------
function askForCustomer() {
  byId("customer-form").reset();
  byId("customer-dialog").showModal();
  byId("customer-name").focus();
}

async function createCustomer() {
  const name = byId("customer-name").value.trim();
  const withPhone = new FormData(byId("customer-form")).get("identity") === "phone";
  const username = withPhone ? "" : `cliente${state.customers.size + 1}`;
  await attempt(async () => {
    const customer = await post("/api/customers", { name, phone: withPhone, username });
    addCustomer(customer);
    choose(customer.customer_id);
  });
}

// --- wiring -------------------------------------------------------------------------------------------------------------
function wire() {
  for (const id of ["close-people", "close-panel", "close-sheet", "stop-quoting"]) byId(id).append(icon("close"));
  byId("open-people").append(icon("people"));
  byId("open-panel").append(icon("bug"));
  byId("attach").append(icon("attach"));
  for (const id of ["new-customer", "first-customer"]) byId(id).addEventListener("click", askForCustomer);
  byId("cancel-customer").addEventListener("click", () => byId("customer-dialog").close());
  byId("customer-form").addEventListener("submit", createCustomer);
  byId("open-people").addEventListener("click", () => document.body.classList.add("people-open"));
  byId("close-people").addEventListener("click", () => document.body.classList.remove("people-open"));
  byId("open-panel").addEventListener("click", () => document.body.classList.add("panel-open"));
  byId("close-panel").addEventListener("click", () => document.body.classList.remove("panel-open"));
  byId("write").addEventListener("submit", (event) => {
    event.preventDefault();
    if (byId("text").value.trim()) sendText();
    else record();
  });
  byId("text").addEventListener("input", fitText);
  byId("text").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    sendText();
  });
  byId("attach").addEventListener("click", openAttachments);
  for (const [id, type] of [["photo-file", "image"], ["audio-file", "audio"]]) {
    byId(id).addEventListener("change", (event) => {
      sendFile(type, event.target.files[0]);
      event.target.value = "";
    });
  }
  byId("cancel-recording").addEventListener("click", () => endRecording(false));
  byId("send-recording").addEventListener("click", () => endRecording(true));
  byId("stop-quoting").addEventListener("click", stopQuoting);
  byId("close-sheet").addEventListener("click", closeSheet);
  byId("shade").addEventListener("click", closeSheet);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    closeSheet();
    document.body.classList.remove("people-open", "panel-open");
  });
  wirePanel({ post, attempt, say, armedNow: () => state.misbehaviour.fail_next, customers: () => [...state.customers.values()] });
  const showClock = () => (byId("clock").textContent = time(Date.now()));
  showClock();
  setInterval(showClock, 10_000);
}

wire();
showComposerButton();
listen();
