// One event of a decision's target as text.
import { price, side, size, words } from "truebook/format.js";

export function stepText(step) {
  const order = step.size_centi ? ` ${side(step.book_side)} ${size(step.size_centi)} at ${price(step.price_cc)} ¢` : "";
  const reason = step.reason ? `: ${words(step.reason)}` : "";
  return words(step.outcome) + order + reason + (step.detail ? ` (${step.detail})` : "");
}
