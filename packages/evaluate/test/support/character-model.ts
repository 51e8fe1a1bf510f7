import type { Runner } from '@gateskip/backend';
import { createRandomAdapter } from '@gateskip/backend/conformance';
import { referenceBackend } from '@gateskip/backend-reference';
import { createRandomModel, type Model, type Tokenizer } from '@gateskip/model';

/** One token per ASCII character; 0 ends a text, 1 begins it where that is asked for. */
export function characterTokenizer(addBegin = false): Tokenizer {
  return {
    vocabularySize: 128,
    beginToken: 1,
    endToken: 0,
    stopTokens: new Set([0]),
    addBegin,
    encode(text, options = {}) {
      const codes = Array.from(text, (character) => (character.charCodeAt(0) < 128 ? character.charCodeAt(0) : 63));
      return Int32Array.from((options.addBegin ?? addBegin) ? [1, ...codes] : codes);
    },
    decode: (ids) => String.fromCharCode(...Array.from(ids)),
    tokenBytes: (id) => Uint8Array.of(id),
    isSpecial: (id) => id < 2,
  };
}

/** A random model of 128 tokens that reads characters. */
export function characterModel(seed = 3): Model {
  const model = createRandomModel({ seed, config: { layers: 4, contextLength: 512 } });
  return Object.assign(Object.create(model) as Model, { tokenizer: characterTokenizer() });
}

/** Loaded on the reference backend with random gates. */
export async function loadedRunner(model: Model): Promise<Runner> {
  return referenceBackend.load(model, { adapter: createRandomAdapter(model, { seed: 5, standIns: true }) });
}
