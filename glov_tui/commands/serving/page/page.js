// The page's side of `glov serve`. textual-serve's script draws the terminal and opens a websocket
// once. It is given one that lasts: this opens a real one behind it, and another when that drops.
"use strict";

(() => {
  const RealSocket = window.WebSocket;
  const PING_MS = 5000;
  const SILENCE_MS = 12000; // after a ping
  const FIRST_WAIT_MS = 300;
  const LONGEST_WAIT_MS = 5000;
  const OURS = "glov:"; // of a ping
  const FIRST_BYTES = 500; // of a terminal's modes, before anything is drawn

  const byId = (id) => document.getElementById(id);
  const random = crypto.getRandomValues(new Uint32Array(4));
  const screenNumber = Array.from(random, (part) => part.toString(36)).join("");

  function notice(text) {
    byId("notice").textContent = text;
    byId("notice").hidden = text === "";
  }

  function ended(text) {
    notice("");
    byId("terminal").hidden = true;
    byId("said").textContent = text;
    byId("ended").hidden = false;
    byId("again").focus();
  }

  class LastingSocket extends EventTarget {
    constructor(url) {
      super();
      const asked = new URL(url, location.href).searchParams;
      this.size = { width: asked.get("width"), height: asked.get("height") };
      this.binaryType = "arraybuffer";
      this.wait = FIRST_WAIT_MS;
      this.over = false;
      this.isTrying = false;
      this.wasOpen = false;
      this.drawn = 0; // bytes
      this.unanswered = null; // when the ping was sent that has no answer yet
      setInterval(() => this.ping(), PING_MS);
      window.addEventListener("online", () => this.hurry());
      document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
      this.connect();
    }

    get isOpen() {
      return this.real !== null && this.real.readyState === RealSocket.OPEN;
    }

    connect() {
      const url = new URL("ws", location.href);
      url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
      url.search = new URLSearchParams({ screen: screenNumber, ...this.size }).toString();
      url.hash = "";
      const real = new RealSocket(url);
      this.real = real;
      this.unanswered = Date.now(); // the handshake counts as one
      real.binaryType = "arraybuffer";
      real.onopen = () => real === this.real && this.opened();
      real.onmessage = (event) => real === this.real && this.received(event.data);
      real.onclose = () => real === this.real && this.dropped();
    }

    opened() {
      this.wait = FIRST_WAIT_MS;
      this.unanswered = null;
      if (this.wasOpen) return notice("");
      this.wasOpen = true;
      this.dispatchEvent(new Event("open"));
      return document.querySelector(".xterm-helper-textarea").focus();
    }

    received(data) {
      this.unanswered = null;
      if (typeof data === "string") {
        const [kind, ...rest] = JSON.parse(data);
        if (kind === "ended") return this.end(rest[0]);
        if (kind === "again") return this.comeAnew();
        if (kind === "pong" && rest[0].startsWith(OURS)) return undefined;
        if (kind === "deliver_file_start") return download(rest[0]);
      } else {
        this.drawn += data.byteLength;
        if (this.drawn > FIRST_BYTES) notice("");
      }
      return this.dispatchEvent(new MessageEvent("message", { data }));
    }

    dropped() {
      if (this.over) return;
      this.real = null;
      notice("No connection to glov serve: this page tries again, keys are lost. The run does not need it.");
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.retry(), this.wait);
      this.wait = Math.min(this.wait * 1.6, LONGEST_WAIT_MS);
    }

    async retry() {
      if (this.isTrying || this.over) return;
      this.isTrying = true;
      clearTimeout(this.timer);
      try {
        const limit = AbortSignal.timeout(SILENCE_MS);
        const answer = await fetch(location.href, { cache: "no-store", signal: limit });
        if (answer.status === 401) {
          this.end("glov serve was started anew: open the address that it has printed.");
        } else {
          this.connect();
        }
      } catch {
        this.dropped();
      } finally {
        this.isTrying = false;
      }
    }

    hurry() {
      if (this.isOpen) this.ping();
      else if (this.real === null) this.retry();
    }

    ping() {
      if (this.over || this.real === null) return;
      const now = Date.now();
      if (this.unanswered !== null && now - this.unanswered > SILENCE_MS) {
        this.real.close(); // which may take long to be noticed
        this.dropped();
      } else if (this.isOpen) {
        if (this.unanswered === null) this.unanswered = now;
        this.real.send(JSON.stringify(["ping", OURS + now]));
      }
    }

    send(data) {
      const [kind, value] = JSON.parse(data);
      if (kind === "resize") this.size = value;
      if (this.isOpen) this.real.send(data); // keys that nobody saw come are not kept for later
    }

    end(text) {
      this.over = true;
      if (this.real !== null) this.real.close();
      ended(text);
    }

    comeAnew() {
      this.over = true;
      location.reload();
    }

    close() {}
  }

  function download(key) {
    const link = document.createElement("a");
    link.href = `download/${encodeURIComponent(key)}`;
    link.download = "";
    link.click();
  }

  // The terminal measures its font once, when it is made.
  async function start(source) {
    window.WebSocket = LastingSocket;
    byId("again").onclick = () => location.reload();
    const faces = ["16px", "bold 16px", "italic 16px"].map((face) => `${face} "Roboto Mono"`);
    await Promise.allSettled(faces.map((face) => document.fonts.load(face)));
    const script = document.createElement("script");
    script.src = source;
    script.onload = () => {
      const begin = window.onload; // the script's; this page's own load may be past or to come
      window.onload = null;
      begin();
    };
    script.onerror = () => ended("The terminal's script can't be loaded.");
    document.head.append(script);
  }

  start(document.currentScript.dataset.terminal);
})();
