/** Rank of joining two neighbours (lowest joins first) or undefined where they do not join. */
export type PairRank = (left: string, right: string) => number | undefined;

/**
 * Byte-pair merging of one piece: joins the pair of lowest rank, leftmost first, until none is left. O(n log n).
 *
 * The library's own merge is the one that runs on ordinary pieces. This one runs where it is not enough: pieces of many
 * thousand symbols (it keeps a linked object per symbol and takes seconds for a megabyte of one letter) and
 * SentencePiece vocabularies, which have scores instead of a list of merges.
 */
export function mergeSymbols(symbols: string[], rank: PairRank): string[] {
  const n = symbols.length;
  const text = symbols.slice();
  const next = new Int32Array(n);
  const previous = new Int32Array(n);
  /** Counts changes of a symbol, so that heap entries made before a change are known as stale. */
  const version = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    next[i] = i + 1 < n ? i + 1 : -1;
    previous[i] = i - 1;
  }
  const heap = new MergeHeap();
  const offer = (left: number): void => {
    const right = next[left] as number;
    if (right < 0) return;
    const value = rank(text[left] as string, text[right] as string);
    if (value !== undefined) heap.push(value, left, version[left] as number, version[right] as number);
  };
  for (let i = 0; i + 1 < n; i++) offer(i);
  while (heap.pop()) {
    const { left } = heap;
    const right = next[left] as number;
    if (right < 0 || version[left] !== heap.leftVersion || version[right] !== heap.rightVersion) continue;
    text[left] = (text[left] as string) + (text[right] as string);
    version[left] = (version[left] as number) + 1;
    version[right] = -1;
    const after = next[right] as number;
    next[left] = after;
    if (after >= 0) previous[after] = left;
    offer(left);
    if ((previous[left] as number) >= 0) offer(previous[left] as number);
  }
  const out: string[] = [];
  for (let i = 0; i >= 0 && i < n; i = next[i] as number) out.push(text[i] as string);
  return out;
}

/** Binary heap in parallel arrays, ordered by (rank, position). `pop` leaves the entry in the public fields. */
class MergeHeap {
  left = 0;
  leftVersion = 0;
  rightVersion = 0;
  readonly #rank: number[] = [];
  readonly #left: number[] = [];
  readonly #leftVersion: number[] = [];
  readonly #rightVersion: number[] = [];

  push(rank: number, left: number, leftVersion: number, rightVersion: number): void {
    let i = this.#rank.length;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#before(rank, left, parent)) break;
      this.#move(parent, i);
      i = parent;
    }
    this.#set(i, rank, left, leftVersion, rightVersion);
  }

  pop(): boolean {
    const last = this.#rank.length - 1;
    if (last < 0) return false;
    this.left = this.#left[0] as number;
    this.leftVersion = this.#leftVersion[0] as number;
    this.rightVersion = this.#rightVersion[0] as number;
    const rank = this.#rank.pop() as number;
    const left = this.#left.pop() as number;
    const leftVersion = this.#leftVersion.pop() as number;
    const rightVersion = this.#rightVersion.pop() as number;
    if (last === 0) return true;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= last) break;
      if (child + 1 < last && this.#before(this.#rank[child + 1] as number, this.#left[child + 1] as number, child)) child++;
      if (this.#before(rank, left, child)) break;
      this.#move(child, i);
      i = child;
    }
    this.#set(i, rank, left, leftVersion, rightVersion);
    return true;
  }

  #before(rank: number, left: number, other: number): boolean {
    const otherRank = this.#rank[other] as number;
    return rank < otherRank || (rank === otherRank && left < (this.#left[other] as number));
  }

  #move(from: number, to: number): void {
    this.#set(
      to,
      this.#rank[from] as number,
      this.#left[from] as number,
      this.#leftVersion[from] as number,
      this.#rightVersion[from] as number,
    );
  }

  #set(i: number, rank: number, left: number, leftVersion: number, rightVersion: number): void {
    this.#rank[i] = rank;
    this.#left[i] = left;
    this.#leftVersion[i] = leftVersion;
    this.#rightVersion[i] = rightVersion;
  }
}
