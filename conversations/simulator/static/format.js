// Texts and times as a phone shows them. Everything becomes DOM nodes by way of textContent: nothing is parsed as HTML.

const ZONE = "America/Sao_Paulo";
const clock = new Intl.DateTimeFormat("pt-BR", { hour: "2-digit", minute: "2-digit", timeZone: ZONE });
const day = new Intl.DateTimeFormat("pt-BR", { day: "numeric", month: "long", year: "numeric", timeZone: ZONE });
const shortDay = new Intl.DateTimeFormat("pt-BR", { day: "2-digit", month: "2-digit", timeZone: ZONE });

export const time = (at) => clock.format(at);

export function dayName(at) {
  if (day.format(at) === day.format(Date.now())) return "Hoje";
  if (day.format(at) === day.format(Date.now() - 86_400_000)) return "Ontem";
  return day.format(at);
}

export const timeOrDay = (at) => (dayName(at) === "Hoje" ? time(at) : dayName(at) === "Ontem" ? "Ontem" : shortDay.format(at));

export function phoneNumber(phone) {
  const found = /^\+55(\d{2})(\d)(\d{4})(\d{4})$/.exec(phone);
  // spaces and hyphen that no line breaks at
  return found ? `+55\u00a0${found[1]}\u00a0${found[2]}\u00a0${found[3]}\u2011${found[4]}` : phone;
}

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "dataset") Object.assign(made.dataset, value);
    else if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const PATHS = {
  close: "M6 6l12 12M18 6L6 18",
  people: "M4 7h16M4 12h16M4 17h16",
  bug: "M12 3v3M8 8h8a0 0 0 0 1 0 0v5a4 4 0 0 1-8 0V8M4 9l4 2M4 17l4-2M20 9l-4 2M20 17l-4-2",
  attach: "M12 5v14M5 12h14",
  send: "M4 12l16-8-5 16-3.5-6.5z",
  mic: "M12 4a2.5 2.5 0 0 1 2.5 2.5v5a2.5 2.5 0 0 1-5 0v-5A2.5 2.5 0 0 1 12 4M6 11.5a6 6 0 0 0 12 0M12 17.5V21",
  list: "M5 7h14M5 12h14M5 17h9",
  reply: "M10 6L4 12l6 6M4.5 12H14a6 6 0 0 1 6 6",
  more: "M6 9l6 6 6-6",
  tick: "M5 13l4 4 9-10",
  ticks: "M2 13l4 4 9-10M10 16l1 1 9-10",
  wait: "M12 4a8 8 0 1 0 .01 0M12 8v4.5l3 1.5",
  alert: "M12 4a8 8 0 1 0 .01 0M12 8v5M12 16v.5",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

// Inside a word a mark is only a character: "nome_do_arquivo", "2*3*4".
const MARKS = [
  { pattern: /```([\s\S]+?)```/u, tag: "code", plain: true },
  { pattern: /`([^`\n]+)`/u, tag: "code", plain: true },
  { pattern: /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)]/u, tag: "a" },
  { pattern: /(?<![\p{L}\p{N}*])\*(?=\S)([^*\n]*[^*\s])\*(?![\p{L}\p{N}*])/u, tag: "strong" },
  { pattern: /(?<![\p{L}\p{N}_])_(?=\S)([^_\n]*[^_\s])_(?![\p{L}\p{N}_])/u, tag: "em" },
  { pattern: /(?<![\p{L}\p{N}~])~(?=\S)([^~\n]*[^~\s])~(?![\p{L}\p{N}~])/u, tag: "s" },
];

export function formatted(text) {
  // Nodes for a text with WhatsApp's marks: *bold*, _italic_, ~struck~, `code`, and links.
  let first = null;
  for (const mark of MARKS) {
    const found = mark.pattern.exec(text);
    if (found && (first === null || found.index < first.found.index)) first = { mark, found };
  }
  if (first === null) return text ? [document.createTextNode(text)] : [];
  const { mark, found } = first;
  const before = text.slice(0, found.index);
  const after = text.slice(found.index + found[0].length);
  let node;
  if (mark.tag === "a") {
    node = element("a", { href: found[0], textContent: found[0], target: "_blank", rel: "noopener noreferrer" });
  } else if (mark.plain) {
    node = element(mark.tag, { textContent: found[1] });
  } else {
    node = element(mark.tag, {}, ...formatted(found[1]));
  }
  return [...(before ? [document.createTextNode(before)] : []), node, ...formatted(after)];
}

export const withoutMarks = (text) => element("i", {}, ...formatted(text)).textContent;
