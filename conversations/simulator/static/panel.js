// "Fazer bagunça": what goes wrong on request.

import { element } from "./format.js";

const byId = (id) => document.getElementById(id);
const GOOD_DAY = {
  duplicate: 0, reorder: false, batch: false, status_delay_seconds: 0, drop_statuses: false, customers_read: true, fail_next: [],
  media_next: [],
};

export function showMisbehaviour(current) {
  byId("duplicate").checked = current.duplicate > 0;
  byId("reorder").checked = current.reorder;
  byId("batch").checked = current.batch;
  byId("drop-statuses").checked = current.drop_statuses;
  byId("customers-read").checked = current.customers_read;
  const delay = byId("status-delay");
  const known = [...delay.options].some((option) => Number(option.value) === current.status_delay_seconds);
  if (!known) delay.append(element("option", { value: current.status_delay_seconds, textContent: `${current.status_delay_seconds} segundos` }));
  delay.value = String(current.status_delay_seconds);
  byId("armed").replaceChildren(...current.fail_next.map(armed));
  const calm = Object.keys(GOOD_DAY).every((key) => JSON.stringify(current[key]) === JSON.stringify(GOOD_DAY[key]));
  byId("panel").classList.toggle("messy", !calm);
  byId("open-panel").classList.toggle("messy", !calm);
  byId("behave").disabled = calm;
}

function armed(failure) {
  const value = failure.mode === "error" ? `error:${failure.code}:${failure.status}` : failure.mode;
  const option = [...byId("fail-mode").options].find((candidate) => candidate.value === value);
  const times = failure.count === 1 ? "1 vez" : `${failure.count} vezes`;
  return element("li", { textContent: `Preparado: ${option ? option.textContent : value} (${times})` });
}

export function wirePanel({ post, attempt, armedNow, customers, say }) {
  const change = (changes) => attempt(() => post("/api/misbehave", changes));
  byId("duplicate").addEventListener("change", (event) => change({ duplicate: event.target.checked ? 1 : 0 }));
  byId("reorder").addEventListener("change", (event) => change({ reorder: event.target.checked }));
  byId("batch").addEventListener("change", (event) => change({ batch: event.target.checked }));
  byId("drop-statuses").addEventListener("change", (event) => change({ drop_statuses: event.target.checked }));
  byId("customers-read").addEventListener("change", (event) => change({ customers_read: event.target.checked }));
  byId("status-delay").addEventListener("change", (event) => change({ status_delay_seconds: Number(event.target.value) }));
  byId("behave").addEventListener("click", () => change(GOOD_DAY));
  byId("fail").addEventListener("submit", (event) => {
    event.preventDefault();
    const [mode, code, status] = byId("fail-mode").value.split(":");
    const failure = { mode, count: Number(byId("fail-count").value) || 1 };
    if (code) Object.assign(failure, { code: Number(code), status: Number(status) });
    if (mode === "refuse") {
      change({ fail_next: [...armedNow(), { mode, seconds: 5 }] });
      say("Por 5 segundos o Pyloto não encontra a Meta.");
      return;
    }
    change({ fail_next: [...armedNow(), failure] });
  });
  byId("crowd").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const count = Math.min(Number(byId("crowd-count").value) || 2, 200);
      const ids = customers().map((customer) => customer.customer_id).slice(0, count);
      while (ids.length < count) ids.push((await post("/api/customers", {})).customer_id);
      await post("/api/deliver", { customers: ids, text: byId("crowd-text").value });
    });
  });
}
