import { GateskipError } from '@gateskip/errors';

/** A heat map would have more tokens or cells than can be drawn or read. */
export class HeatMapTooLargeError extends GateskipError {
  constructor(what: string, got: number, limit: number) {
    super('GS_HEAT_MAP_TOO_LARGE', `${what}: ${got}, at most ${limit} can be drawn.`, 'Choose a part of the tokens with `from` and `to`.', {
      what,
      expected: limit,
      got,
    });
  }
}
