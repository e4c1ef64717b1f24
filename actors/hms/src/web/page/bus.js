// How the page hears of the bus: digests over NATS, on websockets, and what was before over HTTP.
//
// Each connection is made anew, with what `/bus.json` says then: a broker that comes back may have another port and
// another key. What happened in between is read from the log, so nothing is missing but what the log never held.

import { decode } from "./vendor/msgpack.js";
import { credsAuthenticator, nkeyAuthenticator, usernamePasswordAuthenticator, wsconnect } from "./vendor/nats.js";
import { soundDigest } from "./past.js";

/** So much of the log is read at first, in entries; notes are entries, too. */
const BEGIN_ENTRIES = 60_000;
/** So many pages of offers are read: the rest is heard of as it changes. */
const OFFER_PAGES = 20;
const PAUSES_MS = [250, 500, 1000, 2000];
/** Limits of what is decoded: whatever comes, the page stays as large as it is. */
const LIMITS = { maxStrLength: 4096, maxBinLength: 4096, maxArrayLength: 4096, maxMapLength: 64, maxExtLength: 0 };
const MOST_BYTES = 8 * 1024 * 1024;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** The digest in a body, or undefined: anybody may say anything. */
function read(bytes) {
  if (bytes.length > MOST_BYTES) return undefined;
  try {
    return soundDigest(decode(bytes, LIMITS));
  } catch {
    return undefined;
  }
}

function authenticator(credential) {
  const bytes = (text) => new TextEncoder().encode(text);
  switch (credential.type) {
    case "nkey": return nkeyAuthenticator(bytes(credential.seed));
    case "creds": return credsAuthenticator(bytes(credential.text));
    case "user": return usernamePasswordAuthenticator(credential.user, credential.password);
    default: return undefined;
  }
}

export class Bus {
  /** `heard` tells of what comes: `digest`, `offers`, `markets`, `status`. */
  constructor(past, heard) {
    this.past = past;
    this.heard = heard;
  }

  /** Listens for ever. */
  async listen() {
    for (let failures = 0; ; failures += 1) {
      try {
        const bus = await this.ask();
        if (bus.is_connected) {
          await this.once(bus, () => { failures = 0; });
        } else {
          this.heard.status("away", "the broker is away");
        }
      } catch {
        this.heard.status("away", "the bus is away");
      }
      await pause(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)]);
    }
  }

  async ask() {
    const answer = await fetch("/bus.json");
    if (!answer.ok) throw new Error(`bus.json: ${answer.status}`);
    return answer.json();
  }

  /** Listens until the connection breaks. */
  async once(bus, onConnected) {
    const url = bus.websocket.url ?? `ws://${location.hostname}:${bus.websocket.port}`;
    const connection = await wsconnect({ servers: url, authenticator: authenticator(bus.credential), reconnect: false, name: "hms-onlooker", pingInterval: 15_000, maxPingOut: 2, timeout: 5_000 });
    const asking = setInterval(() => this.watchOn(connection), bus.ask_again_ms);
    try {
      const heard = connection.subscribe(bus.digest_subject);
      await connection.flush();
      onConnected();
      this.past.beginBehind(Math.max(0, bus.head - BEGIN_ENTRIES));
      await this.markets();
      await this.offers();
      await this.catchUp(bus.head);
      this.heard.status("live", "live");
      for await (const message of heard) {
        const digest = read(message.data);
        if (digest === undefined) continue;
        if (this.past.misses(digest)) await this.catchUp(digest.after);
        this.take(digest);
      }
    } finally {
      clearInterval(asking);
      await connection.close();
    }
    this.heard.status("away", "connecting again");
  }

  /** Whoever doesn't ask is taken not to watch. A page that nobody sees doesn't. */
  async watchOn(connection) {
    if (document.hidden) return;
    try {
      const bus = await this.ask();
      if (!bus.is_connected) await connection.close();
    } catch {
      // The server went: the connection ends with it, or goes on without it.
    }
  }

  /** What happened while nobody saw the page. */
  async returned() {
    try {
      const bus = await this.ask();
      if (bus.is_connected && this.past.through !== undefined) await this.catchUp(bus.head);
    } catch {
      // The next digest shows the gap.
    }
  }

  /** Reads the log until everything to this place was heard. */
  async catchUp(through) {
    const begin = this.past.through;
    while (this.past.through < through) {
      const digest = await this.fetch(`/history?after=${this.past.through}`);
      if (digest.through <= this.past.through) return;
      this.take(digest);
      const part = (this.past.through - begin) / Math.max(through - begin, 1);
      if (part < 1) this.heard.status("wait", `reading what was, ${Math.floor(100 * part)} %`);
    }
  }

  async fetch(path) {
    const answer = await fetch(path);
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    const digest = read(new Uint8Array(await answer.arrayBuffer()));
    if (digest === undefined) throw new Error(`${path}: no digest`);
    return digest;
  }

  take(digest) {
    if (digest.offers.length > 0) this.heard.offers(digest.offers);
    const news = this.past.take(digest);
    if (news.length > 0) this.heard.digest(news);
  }

  async offers() {
    let after = 0;
    for (let page = 0; page < OFFER_PAGES; page += 1) {
      const digest = await this.fetch(`/offers?after=${after}`);
      this.heard.offers(digest.offers);
      if (digest.through >= digest.head || digest.through === after) return;
      after = digest.through;
    }
  }

  async markets() {
    const answer = await fetch("/markets");
    if (answer.ok) this.heard.markets(await answer.json());
  }
}
