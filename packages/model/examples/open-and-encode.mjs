import { encodeChat, loadModel } from '@gateskip/model';

const model = await loadModel(process.argv[2] ?? 'smollm2-135m');
const { layers, hiddenSize, name } = model.config;
console.log(`${name}: ${layers} layers of width ${hiddenSize}, ${(model.sizeBytes / 1e6).toFixed(0)} MB of weights`);
const ids = await encodeChat(model, [{ role: 'user', content: 'Name three planets.' }]);
console.log(`${ids.length} tokens: ${model.tokenizer.decode(ids, { skipSpecial: false })}`);
await model.close();
