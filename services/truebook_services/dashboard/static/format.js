// Numbers and times as text. Null is not known, and shown as a dash.
export const UNKNOWN = "–";

const amount = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat("en-US");

const known = (value) => value !== null && value !== undefined;

// To the cent, half a cent away from zero: the rule of format_dollars in truebook/money.py.
export function dollars(micros) {
  if (!known(micros)) return UNKNOWN;
  const raised = Math.abs(micros) + 5000;
  const cents = (raised - (raised % 10000)) / 10000;
  return (micros < 0 && cents > 0 ? "-$" : "$") + amount.format(cents / 100);
}

// Of one fill: fees are parts of a cent.
export const fee = (micros) => (known(micros) ? "$" + (micros / 1e6).toFixed(4) : UNKNOWN);

// In cents, as the exchange's pages show prices.
export const price = (cc) => (known(cc) ? (cc / 100).toFixed(2) : UNKNOWN);

export const size = (centi) => (known(centi) ? amount.format(centi / 100) : UNKNOWN);

export const count = (value) => (known(value) ? whole.format(value) : UNKNOWN);

export const share = (ppm) => (known(ppm) ? (ppm / 10000).toFixed(1) + " %" : UNKNOWN);

export const milliseconds = (us) => (known(us) ? (us / 1000).toFixed(us < 10000 ? 2 : 1) + " ms" : UNKNOWN);

export const side = (book_side) => ({ bid: "buy", ask: "sell" })[book_side] ?? UNKNOWN;

export function span(us) {
  if (!known(us)) return UNKNOWN;
  const seconds = Math.max(0, us / 1e6);
  if (seconds < 10) return seconds.toFixed(1) + " s";
  if (seconds < 120) return Math.round(seconds) + " s";
  if (seconds < 7200) return Math.round(seconds / 60) + " min";
  if (seconds < 172800) return Math.round(seconds / 3600) + " h";
  return Math.round(seconds / 86400) + " d";
}

export const age = (at_us, now_us) => (known(at_us) ? span(now_us - at_us) : UNKNOWN);

export const time = (at_us) => (known(at_us) ? new Date(at_us / 1000).toISOString().slice(11, 19) : UNKNOWN);

export const moment = (at_us) =>
  known(at_us) ? new Date(at_us / 1000).toISOString().slice(0, 19).replace("T", " ") + " UTC" : UNKNOWN;

export const words = (name) => (known(name) ? String(name).replaceAll("_", " ") : UNKNOWN);

export const nonzero = (counts) => Object.entries(counts ?? {}).filter(([, value]) => value !== 0);
