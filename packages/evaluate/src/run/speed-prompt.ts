import type { Model } from '@gateskip/model';
import { seededRandom } from '../items/random.js';

/** Plain English, so that gates meet text and not noise. */
const passage = `The museum opened at nine, but the guards were there by seven. One of them, a tall man named Peter, liked to walk
through the rooms before the lights were on. He knew every picture by its shadow. In the third room hung a portrait of a woman who
had lived to be 104; she had taught mathematics in three countries and owned two horses, a small farm, and 31 clocks, none of which
agreed about the time. Children asked whether she was happy. "Look at her hands," he would answer, "people who are unhappy do not
hold a pencil like that." By noon the rooms were full, and by six they were silent again.
`;

/** Token ids of a text that is the same for the same seed: the passage, begun at a seeded place; random ones without a tokenizer. */
export function speedPrompt(model: Pick<Model, 'tokenizer' | 'config'>, count: number, seed: number): Int32Array {
  const random = seededRandom(seed);
  const text = model.tokenizer ? Array.from(model.tokenizer.encode(passage, { addBegin: false })) : [];
  if (text.length === 0) return Int32Array.from({ length: count }, () => Math.floor(random() * model.config.vocabularySize));
  const start = Math.floor(random() * text.length);
  return Int32Array.from({ length: count }, (_, position) => text[(start + position) % text.length] as number);
}
