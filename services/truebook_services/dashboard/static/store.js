// What the page shows: tables of rows by key, as the server sends them. Ages are relative to the server's time, which is
// continued here by a monotonic clock: the browser's date and time are never used.
import { shallowReactive } from "vue";

export const store = shallowReactive({
  ready: false,
  source: { live: null, note: null, lost_us: null, problem: null, hint: null },
  tables: shallowReactive({}),
  now_us: 0,
  lost_server_ms: null,
  dialog: null,
  outcomes: shallowReactive(new Map()),
});

let base_us = 0;
let base_ms = 0;
let send = () => {};
const listeners = new Map();

export function connect(emit) {
  send = emit;
}

export function emit(event, value) {
  send(event, value);
}

export function now() {
  return base_us + (performance.now() - base_ms) * 1000;
}

setInterval(() => {
  if (store.ready) store.now_us = now();
}, 500);

export function table(name) {
  store.tables[name] ??= shallowReactive(new Map());
  return store.tables[name];
}

export function row(name, key = "only") {
  return table(name).get(key);
}

// Calls `handler(changed keys, removed keys, all)` after each change of a table.
export function listen(name, handler) {
  listeners.set(name, handler);
  handler([...table(name).keys()], [], true);
}

export function apply(patch) {
  base_us = patch.now_us;
  base_ms = performance.now();
  if (patch.source) store.source = patch.source;
  const tables = patch.tables ?? {};
  for (const name of new Set([...Object.keys(tables), ...(patch.all ? Object.keys(store.tables) : [])])) {
    change(name, tables[name] ?? { set: {} }, patch.all);
  }
  store.ready = true;
  store.now_us = base_us;
}

function change(name, { set, removed = [] }, all) {
  const rows = table(name);
  const gone = all ? [...rows.keys()].filter((key) => !(key in set)) : removed;
  for (const key of gone) rows.delete(key);
  for (const [key, fields] of Object.entries(set)) rows.set(key, all ? fields : { ...rows.get(key), ...fields });
  listeners.get(name)?.(Object.keys(set), gone, false);
}

// Asks for confirmation of a control. The id is created here, once: a second click is the same request.
export function confirm(dialog) {
  store.dialog = { id: randomId(), values: {}, ...dialog };
}

function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((each) => each.toString(16).padStart(2, "0")).join("");
}

export function outcome(result) {
  store.outcomes.set(result.id, result);
}
