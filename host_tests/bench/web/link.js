// SPDX-License-Identifier: Apache-2.0
// The page's one connection. It comes back by itself, and says in words when the bench is not there.

const RETRY_MS = [300, 600, 1200, 2500];
const SILENT_MS = 2500;
const DEAD_MS = 7000;

export class Link {
  /** heard(message) for everything that arrives; state("open" | "connecting" | "gone" | "silent"). */
  constructor(heard, state) {
    this.heard = heard;
    this.state = state;
    this.waiting = [];
    this.failures = 0;
    this.lastHeard = 0;
    this.open();
    setInterval(() => this.listen(), 500);
    addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.retryNow());
  }

  open() {
    clearTimeout(this.timer);
    this.timer = null;
    const socket = new WebSocket(`ws://${location.host}/socket`);
    this.socket = socket;
    socket.addEventListener("open", () => { this.lastHeard = performance.now(); });
    socket.addEventListener("message", (event) => this.arrived(JSON.parse(event.data)));
    socket.addEventListener("close", () => {
      if (this.socket !== socket) return;
      for (const { refuse } of this.waiting.splice(0)) refuse(new Error("The bench went away before it answered."));
      this.socket = null;
      this.state("gone");
      this.timer = setTimeout(() => this.open(), RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)]);
    });
  }

  arrived(message) {
    this.lastHeard = performance.now();
    this.failures = 0;
    if (message.type === "done") this.waiting.shift()?.done();
    else if (message.type === "refused") this.waiting.shift()?.refuse(new Error(message.text));
    else {
      if (message.type !== "trouble") this.state("open");
      this.heard(message);
    }
  }

  listen() {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const silence = performance.now() - this.lastHeard;
    if (silence > DEAD_MS) this.socket.close();
    else if (silence > SILENT_MS) this.state("silent");
  }

  retryNow() {
    if (this.timer) this.open();
  }

  /** Resolves when the bench has taken the command; rejects with its words when it has not. */
  send(command) {
    if (this.socket?.readyState !== WebSocket.OPEN) {
      return Promise.reject(new Error("The bench is not connected: nothing was sent."));
    }
    this.socket.send(JSON.stringify(command));
    return new Promise((done, refuse) => this.waiting.push({ done, refuse }));
  }
}
