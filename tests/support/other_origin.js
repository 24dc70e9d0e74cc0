// What a page of another origin may try, with the session's cookie of this browser.
async (url) => {
  const socket = await new Promise((done) => {
    const opened = new WebSocket(url.replace("http", "ws") + "/_nicegui_ws/socket.io/?EIO=4&transport=websocket");
    opened.onopen = () => done("opened");
    opened.onerror = () => done("refused");
  });
  const sent = await Promise.allSettled([
    fetch(url + "/session", { method: "DELETE", credentials: "include" }),
    fetch(url + "/session", { method: "POST", credentials: "include", mode: "no-cors", body: "{}" }),
    fetch(url + "/", { credentials: "include" }),
  ]);
  return [socket, ...sent.map((each) => (each.status === "fulfilled" ? each.value.type : "refused"))];
};
