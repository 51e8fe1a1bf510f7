/**
 * The peer's side in Python: requests and answers are lines of JSON. It calls llama.cpp through its own C functions, since the
 * Python class above them copies every logit.
 */
export const llamaCppPythonProgram = `
import ctypes, json, os, sys, time
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
import llama_cpp

class Peer:
    def open(self, request):
        silent = llama_cpp.llama_log_callback(lambda level, text, data: None)
        self.silent = silent
        llama_cpp.llama_log_set(silent, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        model_options = llama_cpp.llama_model_default_params()
        model_options.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(request["modelPath"].encode(), model_options)
        if not self.model:
            raise RuntimeError("it cannot open the model")
        options = llama_cpp.llama_context_default_params()
        options.n_ctx = request["contextTokens"]
        options.n_batch = options.n_ubatch = 512
        self.context = llama_cpp.llama_init_from_model(self.model, options)
        if not self.context:
            raise RuntimeError("it cannot make a context")
        self.sampler = llama_cpp.llama_sampler_init_greedy()
        features = llama_cpp.llama_print_system_info().decode()
        return {"details": {"llamaCppPython": llama_cpp.__version__, "python": sys.version.split()[0], "features": features.strip(" |")}}

    def begin(self, request):
        llama_cpp.llama_set_n_threads(self.context, request["threads"], request["threads"])
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)
        prompt = request["prompt"]
        return (llama_cpp.llama_token * len(prompt))(*prompt)

    def step(self, tokens):
        if llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(tokens, len(tokens))) != 0:
            raise RuntimeError("a step failed")
        return llama_cpp.llama_sampler_sample(self.sampler, self.context, -1)

    def decode(self, request):
        one = (llama_cpp.llama_token * 1)()
        one[0] = self.step(self.begin(request))
        started = time.perf_counter()
        for _ in range(request["tokens"]):
            one[0] = self.step(one)
        return {"tokensPerSecond": request["tokens"] / (time.perf_counter() - started)}

    def prefill(self, request):
        tokens = self.begin(request)
        started = time.perf_counter()
        self.step(tokens)
        return {"tokensPerSecond": len(tokens) / (time.perf_counter() - started)}

peer = Peer()
for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = getattr(peer, request["command"])(request)
    except Exception as error:
        answer = {"error": str(error)}
    answers.write(json.dumps(answer) + "\\n")
    answers.flush()
`;
