import type { PeerReport } from './bench-report.js';
import type { PeerProcess } from './peer-process.js';

export interface TunedPeer {
  readonly threads: PeerReport['threads'];
  readonly tried: PeerReport['tried'];
}

/** Every count up to eight, then doubling: between 16 and 17 threads lies nothing worth the time. */
export function threadCounts(most: number): readonly number[] {
  const counts = Array.from({ length: Math.min(8, most) }, (_, index) => index + 1);
  for (let count = 16; count < most; count *= 2) counts.push(count);
  if (!counts.includes(most)) counts.push(most);
  return counts;
}

/** Finds the peer's best thread counts on this machine as it is now: the best of `tries` short runs each, by turns. */
export async function tunePeer(
  peer: Pick<PeerProcess, 'decode' | 'prefill'>,
  most: number,
  prompts: { readonly decode: Int32Array; readonly prefill: Int32Array },
  tries: number,
  onProgress: (done: number, total: number) => void,
): Promise<TunedPeer> {
  const counts = threadCounts(most);
  const tried = counts.map((threads) => ({ threads, decode: 0, prefill512: 0 }));
  for (let round = 0; round < tries; round++) {
    for (const [index, entry] of tried.entries()) {
      onProgress(round * counts.length + index, tries * counts.length);
      entry.decode = Math.max(entry.decode, await peer.decode(entry.threads, prompts.decode, 24));
      entry.prefill512 = Math.max(entry.prefill512, await peer.prefill(entry.threads, prompts.prefill));
    }
  }
  const best = (of: 'decode' | 'prefill512'): number => tried.reduce((a, b) => (b[of] > a[of] ? b : a)).threads;
  return { threads: { decode: best('decode'), prefill512: best('prefill512') }, tried };
}
