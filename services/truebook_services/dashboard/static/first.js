// Runs before anything else: a token in the address, as of the printed link in a browser that is signed in, is removed.
function removeToken() {
  if (location.hash.includes("token=")) history.replaceState(null, "", location.pathname + location.search);
}
removeToken();
window.addEventListener("hashchange", removeToken);
