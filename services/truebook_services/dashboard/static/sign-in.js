// The sign-in form. A token in the part of the address behind "#" is removed from it before it is used.
const form = document.getElementById("form");
const field = document.getElementById("token");
const button = document.getElementById("submit");
const problem = document.getElementById("problem");

function wait(seconds, text) {
  button.disabled = true;
  problem.textContent = `${text}: the next attempt is possible in ${seconds} s.`;
  if (seconds > 0) {
    setTimeout(() => wait(seconds - 1, text), 1000);
  } else {
    button.disabled = false;
    problem.textContent = `${text}.`;
  }
}

async function open(token) {
  button.disabled = true;
  problem.textContent = "";
  try {
    const response = await fetch("/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
    if (response.status === 204) {
      location.replace("/");
      return;
    }
    const { error, wait_s } = await response.json();
    const text = error === "the token is wrong" ? "The token is wrong" : "Refused: " + error;
    wait(wait_s ?? 0, text);
  } catch {
    wait(0, "The server does not respond");
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!button.disabled) open(field.value);
});

const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (location.hash) history.replaceState(null, "", location.pathname);
if (given) {
  open(given);
} else {
  // A cookie of an open session is not sent when another site links here; this request sends it.
  fetch("/session").then((response) => response.status === 204 && location.replace("/"));
}
field.focus();
