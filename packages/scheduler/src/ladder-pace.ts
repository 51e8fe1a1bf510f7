import { InvalidArgumentError } from '@gateskip/errors';
import type { KvMode, ModelShape } from '@gateskip/gate';
import { type Ladder, type RowCost, rowCost } from './ladder.js';
import type { Axis } from './target.js';

export interface PaceSettings {
  readonly shape: ModelShape;
  readonly ladder: Ladder;
  readonly axis: Axis;
  /** Share that may be spent, 1 - asked. */
  readonly allowed: number;
  readonly kv: KvMode;
  readonly pinnedTokens: number;
  /** Of a dropped branch's stand-in. */
  readonly standInMacs: number;
}

/** Positions that are planned for at most: longer than any context, and short of running for ever. */
const MOST_POSITIONS = 2 ** 24;
/** An asked share is rounded by a few units in the last place: no reason to drop one branch more. */
const ROUNDING = 1e-12;

/**
 * The level of a ladder at every position, from the position alone.
 *
 * Two neighbouring levels enclose the asked share. A row takes the lower one, which spends more, whenever what the rows
 * before it left over pays for it, and else the higher: so no stretch from the first free row on spends more than
 * asked, and what is left over never reaches the difference between two levels of one row. MACs are exact, by `planMacs`.
 */
export class LadderPace {
  readonly #settings: PaceSettings;
  #levels = new Uint16Array(256);
  #known = 0;
  #level = 0;
  #left = 0;
  #kvRows: readonly number[];

  constructor(settings: PaceSettings) {
    this.#settings = settings;
    this.#kvRows = new Array<number>(settings.shape.layers).fill(0);
  }

  /** @throws InvalidArgumentError for positions beyond 2^24 */
  levelAt(position: number): number {
    if (position >= MOST_POSITIONS)
      throw new InvalidArgumentError(`Position ${position} is beyond the ${MOST_POSITIONS} that can be planned.`);
    while (this.#known <= position) this.#next();
    return this.#levels[position]!;
  }

  #next(): void {
    const { pinnedTokens, ladder, allowed } = this.#settings;
    const position = this.#known;
    if (position === this.#levels.length) {
      const longer = new Uint16Array(2 * position);
      longer.set(this.#levels);
      this.#levels = longer;
    }
    const cost = (level: number): RowCost => this.#cost(position, level);
    let level = 0;
    let chosen: RowCost;
    if (position < pinnedTokens) {
      chosen = cost(0);
    } else {
      level = this.#level;
      const dense = cost(level).dense;
      const may = allowed * dense * (1 + ROUNDING);
      while (level < ladder.top && cost(level).spent > may) level++;
      while (level > 0 && cost(level - 1).spent <= may) level--;
      this.#level = level;
      chosen = cost(level);
      if (level > 0) {
        const lower = cost(level - 1);
        if (this.#left + may - lower.spent >= 0) {
          level -= 1;
          chosen = lower;
        }
      }
      this.#left += may - chosen.spent;
    }
    this.#kvRows = chosen.kvRows;
    this.#levels[position] = level;
    this.#known += 1;
  }

  #cost(position: number, level: number): RowCost {
    const { shape, ladder, axis, kv, standInMacs } = this.#settings;
    return rowCost(shape, ladder.dropped(level), { axis, kv, standInMacs, position, kvRows: this.#kvRows });
  }
}
