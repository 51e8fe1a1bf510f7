import { adapterPath, modelFingerprint, modelName } from '@gateskip/adapter-smollm2-135m-instruct';

console.log(`Gates for ${modelName} (${modelFingerprint.slice(0, 12)}): ${adapterPath}`);
