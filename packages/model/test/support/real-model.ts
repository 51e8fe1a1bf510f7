import { type Model, openModel, resolveModel } from '../../src/index.js';

/** The real model through the product's own cache, or why it cannot be had. Fetched once for the machine. */
export async function realModel(): Promise<Model | string> {
  try {
    const { path } = await resolveModel('smollm2-135m');
    return await openModel(path);
  } catch (error) {
    return `smollm2-135m cannot be had: ${(error as Error).message}`;
  }
}
