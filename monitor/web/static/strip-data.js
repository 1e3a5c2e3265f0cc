// The signal, beats and events of one stream, kept in blocks so that scrolling asks for nothing twice.

import { get } from "./api.js";
import { MISSING } from "./sweep.js";

const BLOCK_US = 20e6;
const SETTLED_US = 4e6; // beats and events come up to so much later than the signal
const AGAIN_MS = 900; // a block that still grows is asked for again after this long
const MOST_BLOCKS = 60;
export const LONGEST_US = 90e6; // of signal drawn sample by sample; beyond, an overview

export class StripData {
  constructor(stream) {
    this.stream = stream;
    this.path = encodeURIComponent(stream);
    this.blocks = new Map();
    this.earliestUs = null;
    this.latestUs = null;
  }

  /** Ask for what is missing between two times; resolves to true if anything new has come. */
  async load(fromUs, toUs) {
    const wanted = [];
    for (let n = Math.floor(fromUs / BLOCK_US); n * BLOCK_US < toUs; n += 1) {
      const block = this.blocks.get(n);
      const grows = block && !block.settled && Date.now() - block.askedMs > AGAIN_MS;
      if (!block || grows) wanted.push(this._fetch(n));
    }
    await Promise.all(wanted);
    return wanted.length > 0;
  }

  /** True if no more signal, beats or events are to be expected before a time. */
  settled(toUs) {
    return this.latestUs !== null && this.latestUs > toUs + SETTLED_US;
  }

  /** True if the server has answered for all between two times. */
  known(fromUs, toUs) {
    for (let n = Math.floor(fromUs / BLOCK_US); n * BLOCK_US < toUs; n += 1) {
      if (this.blocks.get(n)?.startUs === undefined) return false;
    }
    return true;
  }

  /** Ask again for what is kept: a verdict has changed. */
  forget() {
    for (const block of this.blocks.values()) {
      block.settled = false;
      block.askedMs = 0;
    }
  }

  async _fetch(n) {
    const before = this.blocks.get(n);
    const block = {
      ...(before ?? { beats: [], events: [], leads: [] }),
      askedMs: Date.now(),
      settled: false,
    };
    this.blocks.set(n, block);
    try {
      const from = n * BLOCK_US;
      const answer = await get(`strip/${this.path}`, { from_us: from, to_us: from + BLOCK_US });
      this._take(block, answer, from + BLOCK_US);
    } catch (error) {
      if (before) this.blocks.set(n, { ...before, askedMs: Date.now() });
      else this.blocks.delete(n);
      throw error;
    }
    if (this.blocks.size > MOST_BLOCKS) this.blocks.delete(this.blocks.keys().next().value);
  }

  _take(block, answer, endUs) {
    this.earliestUs = answer.earliest_us;
    this.latestUs = Math.max(this.latestUs ?? 0, answer.latest_us ?? 0);
    Object.assign(block, {
      startUs: answer.start_us,
      rateHz: answer.rate_hz,
      session: answer.session,
      leads: answer.leads.map((lead) => ({ name: lead.name, samples: unpack(lead.samples, lead.offset_uv) })),
      beats: answer.beats,
      events: answer.events,
      settled: answer.latest_us !== null && answer.latest_us > endUs + SETTLED_US,
    });
  }

  /** Blocks with signal between two times, in order. */
  within(fromUs, toUs) {
    const found = [];
    for (let n = Math.floor(fromUs / BLOCK_US); n * BLOCK_US < toUs; n += 1) {
      const block = this.blocks.get(n);
      if (block?.leads.length) found.push(block);
    }
    return found;
  }

  /** Beats, or events, between two times, in order and each once. */
  marks(name, fromUs, toUs) {
    const found = new Map();
    for (let n = Math.floor(fromUs / BLOCK_US); n * BLOCK_US < toUs; n += 1) {
      for (const mark of this.blocks.get(n)?.[name] ?? []) {
        if (mark.time_us >= fromUs && mark.time_us < toUs)
          found.set(mark.id ?? `${mark.time_us} ${mark.kind}`, mark);
      }
    }
    return [...found.values()].sort((a, b) => a.time_us - b.time_us);
  }

  /** One lead's µV at a time, or null where nothing was measured. */
  valueAt(lead, timeUs) {
    const [block] = this.within(timeUs, timeUs + 1);
    const samples = block?.leads.find(({ name }) => name === lead)?.samples;
    const value = samples?.[Math.round(((timeUs - block.startUs) * block.rateHz) / 1e6)];
    return value === undefined || value === MISSING ? null : value;
  }
}

/** base64 int16 LE → µV; offsetUv was taken off so that they fit. */
export function unpack(text, offsetUv = 0) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const samples = new Int16Array(bytes.buffer);
  return offsetUv
    ? Int32Array.from(samples, (sample) => (sample === MISSING ? MISSING : sample + offsetUv))
    : samples;
}
