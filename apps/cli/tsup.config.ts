import { libraryConfig } from '../../tools/build/tsup.config.ts';

// Programs that the bench runs in processes of their own.
export default libraryConfig({
  'bench-node-llama-cpp': './src/bench/node-llama-cpp-child.ts',
  'bench-onnxruntime-node': './src/bench/onnxruntime-node-child.ts',
});
