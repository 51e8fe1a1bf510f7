"""Writes what llama.cpp makes of some thousand strings, as the golden file of the tokenizer tests.

    python tokens.py MODEL.gguf OUT.json.gz [--count 2600] [--seed 7]

Needs `llama-cpp-python` (0.3.36 made the committed file). Only the vocabulary of the model is loaded.
Strings are drawn from a seeded generator: nothing in the file is quoted from anywhere.
"""

import argparse
import gzip
import hashlib
import json
import random
import unicodedata

import llama_cpp

# First and last code point of blocks that cover the world's scripts in use, letters mostly.
SCRIPTS = {
    "latin": (0x41, 0x24F), "ipa": (0x250, 0x2AF), "greek": (0x370, 0x3FF), "cyrillic": (0x400, 0x52F), "armenian": (0x531, 0x58A),
    "hebrew": (0x5D0, 0x5F4), "arabic": (0x600, 0x6FF), "syriac": (0x700, 0x74F), "thaana": (0x780, 0x7B1), "nko": (0x7C0, 0x7FA),
    "devanagari": (0x900, 0x97F), "bengali": (0x980, 0x9FE), "gurmukhi": (0xA01, 0xA76), "gujarati": (0xA81, 0xAFF), "oriya": (0xB01, 0xB77),
    "tamil": (0xB82, 0xBFA), "telugu": (0xC00, 0xC7F), "kannada": (0xC80, 0xCF2), "malayalam": (0xD00, 0xD7F), "sinhala": (0xD81, 0xDF4),
    "thai": (0xE01, 0xE5B), "lao": (0xE81, 0xEDF), "tibetan": (0xF00, 0xFDA), "myanmar": (0x1000, 0x109F), "georgian": (0x10A0, 0x10FF),
    "hangul": (0xAC00, 0xD7A3), "jamo": (0x1100, 0x11FF), "ethiopic": (0x1200, 0x139F), "cherokee": (0x13A0, 0x13FD), "khmer": (0x1780, 0x17F9),
    "mongolian": (0x1800, 0x18AA), "hiragana": (0x3041, 0x309F), "katakana": (0x30A0, 0x30FF), "bopomofo": (0x3105, 0x312F),
    "han": (0x4E00, 0x9FA5), "han-b": (0x20000, 0x2A6D6), "yi": (0xA000, 0xA48C), "vai": (0xA500, 0xA62B), "fullwidth": (0xFF01, 0xFFEF),
    "math": (0x1D400, 0x1D7FF), "gothic": (0x10330, 0x1034A), "linear-b": (0x10000, 0x100FA), "cuneiform": (0x12000, 0x12399),
    "symbols": (0x2000, 0x2BFF), "private": (0xE000, 0xF8FF), "superscripts": (0x2070, 0x209C), "number-forms": (0x2150, 0x218B),
    "enclosed": (0x2460, 0x24FF), "braille": (0x2800, 0x28FF), "cjk-symbols": (0x3000, 0x303F),
}
EMOJI = [chr(c) for c in (*range(0x1F600, 0x1F64F), *range(0x1F300, 0x1F5FF), *range(0x1F680, 0x1F6C5), *range(0x1F900, 0x1F9FF), 0x2764, 0x2600)]
JOINED = ["\U0001F468‍\U0001F469‍\U0001F467‍\U0001F466", "\U0001F3F3️‍\U0001F308", "\U0001F44D\U0001F3FD", "❤️‍\U0001F525",
          "\U0001F1E9\U0001F1EA", "\U0001F9D1\U0001F3FB‍\U0001F4BB", "1️⃣", "\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F"]
SPACES = [" ", "  ", "   ", "\t", "\t\t", "\n", "\n\n", "\r\n", "\r", " \n", "\n ", "\v", "\f", "\u00a0", "\u0085", "\u2003", "\u2028", "\u3000", "\u200b", "\ufeff", "\u1680", "\u202f"]
WORDS = ["the", "of", "and", "a", "token", "Router", "skips", "layers", "compute", "BUDGET", "it's", "don't", "we'll", "they've", "I'm", "you're", "he'd", "IT'S",
         "naïve", "café", "Zürich", "straße", "coöperate", "jalapeño", "x", "e.g.", "C++", "#hash", "@name", "100%", "$5.00", "email@host.org", "well-known", "and/or", "(so)", "\"quote\"", "…", "—"]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<file_sep>", "<jupyter_code>", "<empty_output>"]
NEARLY = ["<|im_start|", "<|im_start", "|im_end|>", "<|im_start |>", "< |im_end|>", "<|IM_END|>", "<|im_end|>>", "<<|im_start|>", "<|endoftext|><", "<|im_<|im_end|>start|>", "</s>", "<s>", "[INST]", "<unk>"]
CODE = ["def f(x: int) -> str:\n    return f\"{x:>10}\"\n", "for (let i = 0; i < n; i++) {\n\tsum += a[i] * b[i];\n}", "SELECT * FROM t WHERE id = 42 AND name LIKE '%x%';",
        "#include <stdio.h>\nint main(void) { return 0; }\n", "<div class=\"a b\">\n  <p>&nbsp;</p>\n</div>", "{\"a\": [1, 2.5e-3, null], \"b\": {\"c\": true}}",
        "fn main() { println!(\"{}\", 1u64 << 40); }", "x = (a and b) or not c  # why\r\n", "\\begin{equation} e^{i\\pi} + 1 = 0 \\end{equation}", "$ ls -la | grep '^d' && echo \"done\" > /dev/null 2>&1",
        "a ??= b?.c ?? d!;", "0x1F + 0b1010 - 1_000_000 ** 2 // 3", "import numpy as np\n\n\nclass A(object):\n\n    pass\n"]


def assigned(first, last, rng):
    while True:
        c = chr(rng.randint(first, last))
        if unicodedata.category(c) != "Cn":
            return c


def script_text(rng):
    first, last = SCRIPTS[rng.choice(list(SCRIPTS))]
    return rng.choice([" ", " ", "", "\n", "  "]).join("".join(assigned(first, last, rng) for _ in range(rng.randint(1, 9))) for _ in range(rng.randint(1, 7)))


def prose(rng):
    return "".join(rng.choice(WORDS) + rng.choice([" ", " ", " ", ", ", ". ", "\n", "  "]) for _ in range(rng.randint(1, 30)))


def spaces(rng):
    return "".join(rng.choice(SPACES) * rng.randint(1, 6) if rng.random() < 0.6 else rng.choice(WORDS) for _ in range(rng.randint(1, 14)))


def numbers(rng):
    forms = [lambda: str(rng.randint(0, 10 ** rng.randint(1, 18))), lambda: f"{rng.random():.{rng.randint(1, 12)}f}", lambda: f"{rng.random():e}", lambda: hex(rng.getrandbits(48)),
             lambda: f"{rng.randint(0, 10**9):,}", lambda: f"{rng.randint(1, 12)}/{rng.randint(1, 31)}/{rng.randint(1900, 2099)}", lambda: "½", lambda: "x²", lambda: "٣٤٥", lambda: "१२३", lambda: "Ⅻ", lambda: "①②", lambda: "三百"]
    return rng.choice([" ", "", "+", ", ", "\n"]).join(rng.choice(forms)() for _ in range(rng.randint(1, 9)))


def emoji(rng):
    return "".join(rng.choice([rng.choice(EMOJI), rng.choice(JOINED), " ", rng.choice(WORDS), "‍", "️"]) for _ in range(rng.randint(1, 14)))


def marks(rng):
    base = "".join(rng.choice("aeionuEIOÅ가あक ") + "".join(chr(rng.randint(0x300, 0x36F)) for _ in range(rng.randint(0, 4))) for _ in range(rng.randint(1, 10)))
    return unicodedata.normalize(rng.choice(["NFC", "NFD", "NFKC", "NFKD"]), base)


def control(rng):
    return "".join(rng.choice([chr(rng.randint(0, 31)), chr(rng.randint(127, 159)), rng.choice(WORDS), "\u200e", "\u202e", "\u2066", "\ufffd", "\uffff"]) for _ in range(rng.randint(1, 16)))


def code(rng):
    lines = rng.choice(CODE)
    return rng.choice(["", "  ", "\t", "```\n"]) + lines + rng.choice(["", "\n\n", "    "]) + (rng.choice(CODE) if rng.random() < 0.4 else "")


def special_text(rng):
    return "".join(rng.choice([rng.choice(SPECIAL), rng.choice(NEARLY), rng.choice(WORDS), " ", "\n"]) for _ in range(rng.randint(1, 10)))


def fuzz(rng):
    out = []
    for _ in range(rng.randint(1, 40)):
        limit = rng.choice([0x7F, 0xFF, 0x7FF, 0xFFFF, 0x10FFFF])
        c = rng.randint(0, limit)
        # Planes 4 to 13 hold nothing, and what is not assigned yet is classed by the tables' date, not by either tokenizer.
        if not 0xD800 <= c <= 0xDFFF and unicodedata.category(chr(c)) != "Cn":
            out.append(chr(c))
    return "".join(out)


def ascii_fuzz(rng):
    return "".join(chr(rng.randint(32, 126)) for _ in range(rng.randint(1, 60)))


def repeats(rng):
    return rng.choice(["a", " ", "\n", "ab", "0", "é", "語", "=", "-", "🙂", "'s", "ha"]) * rng.randint(1, 700)


def chat(rng):
    turns = [("system", prose(rng))] + [(role, rng.choice([prose, code, emoji, script_text, numbers])(rng)) for role in ["user", "assistant"] * rng.randint(1, 2)]
    return "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns) + "<|im_start|>assistant\n"


KINDS = [prose, script_text, script_text, spaces, numbers, emoji, marks, control, code, special_text, fuzz, fuzz, ascii_fuzz, repeats]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--count", type=int, default=2600)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    model = llama_cpp.Llama(model_path=options.model, vocab_only=True, verbose=False)
    cases = [("", False), ("", True), (" ", False), ("a", False)]
    while len(cases) < options.count:
        if rng.random() < 0.1:
            cases.append((chat(rng), True))
        else:
            kind = rng.choice(KINDS)
            cases.append((kind(rng), kind is special_text and rng.random() < 0.5))
    # Each case: text, whether special tokens are read, ids.
    rows = [[text, special, model.tokenize(text.encode("utf-8"), add_bos=False, special=special)] for text, special in cases]
    with open(options.model, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    result = {"peer": f"llama-cpp-python {llama_cpp.__version__}", "modelSha256": digest, "seed": options.seed, "cases": rows}
    data = json.dumps(result, ensure_ascii=True, separators=(",", ":")).encode()
    with open(options.out, "wb") as file:
        file.write(gzip.compress(data, 9, mtime=0))
    print(f"{len(rows)} cases, {sum(len(row[2]) for row in rows)} tokens, unicode {unicodedata.unidata_version}")


if __name__ == "__main__":
    main()
