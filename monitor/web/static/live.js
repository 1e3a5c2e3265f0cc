// The live connection: it says what state it is in, reconnects by itself, and takes silence for a failure.

import { serverNow, setServerNow } from "./time.js";

const SILENT_MS = 3500; // the server says something each second
const LATE_MS = 500; // by which a timer may be late in a page that does not sleep
const CONNECT_MS = 10000; // a busy server takes its time to answer
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;

/** Dispatches "state", "rows", "event", "signal" and "lost"; `detail` holds the message. */
export class Live extends EventTarget {
  constructor(path = "/api/live") {
    super();
    this.url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
    this.state = "connecting"; // "open" once the server has spoken, "lost" when it has stopped
    this.lastUs = 0; // server's time of the last message
    this.lostFrames = 0; // left out because this browser was slow, since the page was opened
    this._watched = [];
    this._waitMs = FIRST_WAIT_MS;
    this._connect();
    addEventListener("online", () => this._retryNow());
  }

  /** Name the streams whose signal is wanted. */
  watch(streams) {
    this._watched = streams;
    if (this.state === "open") this._send();
  }

  _send() {
    this._socket.send(JSON.stringify({ watch: this._watched }));
  }

  _connect() {
    clearTimeout(this._retry);
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this._socket = socket;
    this._guard(CONNECT_MS);
    socket.onmessage = (message) => {
      this._guard();
      if (typeof message.data === "string") this._text(JSON.parse(message.data));
      else this._emit("signal", parseFrame(message.data));
    };
    socket.onclose = () => this._ended(socket);
  }

  _guard(silentMs = SILENT_MS) {
    clearTimeout(this._silence);
    const socket = this._socket;
    const due = performance.now() + silentMs;
    this._silence = setTimeout(() => {
      // It was this page that slept: what the server has said meanwhile is still to be read.
      if (performance.now() - due > LATE_MS) {
        this._guard();
        return;
      }
      // A dead network never closes a socket: give it up without waiting for its farewell.
      socket.onclose = null;
      socket.onmessage = null;
      socket.close();
      this._ended(socket);
    }, silentMs);
  }

  _text(message) {
    if (message.now_us) {
      setServerNow(message.now_us);
      this.lastUs = message.now_us;
    }
    if (message.type === "hello") this._opened(message);
    else if (message.type === "lost") this.lostFrames += message.frames;
    if (message.type !== "hello") this._emit(message.type, message);
  }

  _opened(hello) {
    this.hello = hello;
    this._waitMs = FIRST_WAIT_MS;
    const again = this.state === "lost";
    this.state = "open";
    this._send();
    this._emit("state", { state: "open", again });
  }

  _ended(socket) {
    if (socket !== this._socket) return;
    clearTimeout(this._silence);
    this.state = "lost";
    this.retryUs = serverNow() + this._waitMs * 1000;
    this._retry = setTimeout(() => this._connect(), this._waitMs);
    this._waitMs = Math.min(this._waitMs * 1.7, LONGEST_WAIT_MS);
    this._emit("state", { state: "lost" });
  }

  _retryNow() {
    if (this.state !== "lost") return;
    this._waitMs = FIRST_WAIT_MS;
    this._connect();
  }

  _emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** A binary frame: uint32 LE length, JSON header, int16 LE µV. Returns the header with `samples`. */
export function parseFrame(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  // Copied: a view of int16 must start at an even byte.
  return { ...header, samples: new Int16Array(buffer.slice(4 + length)) };
}
