export type { FitOptions } from './adapter/assert-fits.js';
export { assertAdapterFits } from './adapter/assert-fits.js';
export type { BackboneChanges, LoraChanges, LoraFactors, LoraRowCosts } from './adapter/backbone-changes.js';
export { loraNames, loraRowCosts, maxLoraRank, normNames } from './adapter/backbone-changes.js';
export { AdapterInvalidError, AdapterMismatchError } from './adapter/errors.js';
export type { AdapterProvenance, GateAdapter } from './adapter/gate-adapter.js';
export { readAdapter } from './adapter/read-adapter.js';
export { type PublishedGates, readPublishedGates } from './adapter/read-published-gates.js';
export type { WriteAdapterOptions } from './adapter/write-adapter.js';
export { writeAdapter } from './adapter/write-adapter.js';
export type { CheckFinding, CheckOptions, CheckReport } from './check-model.js';
export { checkModel } from './check-model.js';
export {
  InvalidModelError,
  ModelIoError,
  TemplateError,
  TemplateRefusalError,
  UnsupportedModelError,
  UnsupportedTensorTypeError,
  UnsupportedTokenizerError,
} from './errors.js';
export { writeFileAtomically } from './file/write-atomic.js';
export { dequantize, storedBytes } from './formats/dequantize.js';
export { bfloatToFloat, floatToBfloat, floatToHalf, halfToFloat } from './formats/half.js';
export { quantize } from './formats/quantize.js';
export type { TypeInfo } from './formats/type-info.js';
export { tensorTypes, typeInfo } from './formats/type-info.js';
export { llama3Divisors } from './gguf/rope-factors.js';
export type { LayerMatrix } from './layer-matrix.js';
export { layerMatrices } from './layer-matrix.js';
export type { MemoryTensor } from './memory-model.js';
export { createMemoryModel } from './memory-model.js';
export type { Model, TensorData, TensorInfo, TensorType } from './model.js';
export type { ModelConfig, RopeLayout, RopeScaling } from './model-config.js';
export { openModel } from './open-model.js';
export type { RandomModelOptions } from './random-model.js';
export { createRandomModel } from './random-model.js';
export { rotaryFrequencies } from './rotary-frequencies.js';
export type { SafetensorsTensor } from './safetensors/write-file.js';
export { writeSafetensors } from './safetensors/write-file.js';
export { cacheFolder } from './source/cache.js';
export type { CachedModel, CacheOptions } from './source/cached-models.js';
export { isModelReference, listCachedModels, removeCachedModel } from './source/cached-models.js';
export type { DiskRoom } from './source/errors.js';
export { CacheDamagedError, DiskFullError, DownloadError, DownloadMismatchError, ModelNameError } from './source/errors.js';
export type { LockHolder, SourceProgress } from './source/progress.js';
export type { ResolvedModel, ResolveOptions } from './source/resolve-model.js';
export { loadModel, resolveDataFile, resolveModel } from './source/resolve-model.js';
export type { PinnedFile, ShortName } from './source/short-names.js';
export { shortNames } from './source/short-names.js';
export { encodeChat } from './template/encode-chat.js';
export type { ChatMessage, ChatModel, RenderChatOptions } from './template/render-chat.js';
export { renderChat } from './template/render-chat.js';
export { tensorShapes } from './tensor-names.js';
export type { Tokenizer } from './tokenizer/tokenizer.js';
export { ModelExistsError, ModelNotWritableError } from './write/errors.js';
export type { WriteProgress, WrittenModelType } from './write/form-writer.js';
export type { ModelWriter, WriteModelOptions } from './write/write-model.js';
export { prepareModelWriter, writeModel } from './write/write-model.js';
