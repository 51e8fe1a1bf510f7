import { fileURLToPath } from 'node:url';

/** Path of the gate file, for `readAdapter` of `@gateskip/model`. */
export const adapterPath: string = fileURLToPath(new URL('../adapter.safetensors', import.meta.url));

/** `Model.fingerprint` of the file that the gates were trained on: the Q4_1 GGUF behind the short name `smollm2-135m`. */
export const modelFingerprint = '646ef2bf09bd9583e175acdf8734117881ef505144602a63a325df5b31312097';

/** The model, as people call it. */
export const modelName = 'SmolLM2-135M-Instruct';
