// Makes the files beside it with Hugging Face's own library: npm install tokenizers@0.23.2, then node golden.js
const { Tokenizer } = require("tokenizers");
const fs = require("fs");
const path = require("path");

const byteLevel = expression => ({ type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: expression });
const split = expression => ({ type: "Split", pattern: { Regex: expression }, behavior: "Isolated", invert: false });
const sequence = (...expressions) => ({ type: "Sequence", pretokenizers: [...expressions.map(split), byteLevel(false)] });
const rules = {
  "gpt2": byteLevel(true),
  "cl100k": sequence("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
  "deepseek-v3": sequence("\\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"),
};
const texts = [
  "They're here, it'S theirs: we'll 'reach 'til I'D 'ſo 's'", "12345678 1 22 333 4444 ٣٤٥٦ Ⅷ½ x²y³ 〇一二三",
  "a  b   c\n\n d\r\n\r\ne \t\n f  ", "   ", "\n", " \n ", "x\u00a0\u3000y\u0085z\u2028w\u200bv", "!hello ?World -a--b ...c\n\n (x) $9.99 €5 #include<stdio.h>\r\n",
  "模型ラーメン・カレー、東京123都〜ー゠ヽ゛a模b 型 ", "한국어 문장", "e\u0301\u0301x \u0301 1\u0301 !\u0301", "\u0000\u0001\u0000a\u0007b \u0007 1\u00ad2\ufffe",
  "🙂🙂a 🙂 👩‍💻!🇩🇪 𝐀𝐁c 𝟏𝟐𝟑𝟒 𠀀𠀁模 \u{10ffff} \u{e0061}", "snake_case camelCase x+=1;y\t=\t[2]\n\n\n}\n", "'", "' '", "''s", "_a$b`c~D|e", "हिन्दी में", "مرحبا، ١٢٣٤ عالم",
];

const folder = fs.mkdtempSync("golden-");
for (const [name, rule] of Object.entries(rules)) {
  const tokenizer = Tokenizer.fromString(JSON.stringify({
    version: "1.0", truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: rule, post_processor: null, decoder: byteLevel(true),
    model: { type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: false, vocab: {}, merges: [] },
  }));
  const cutter = tokenizer.getPreTokenizer();
  const pieces = texts.map(text => ({ text, pieces: cutter.preTokenizeString(text).map(piece => piece[0]) }));
  tokenizer.train([path.join(__dirname, "corpus.txt")]);
  const file = path.join(folder, "trained.json");
  tokenizer.save(file, true);
  const merges = JSON.parse(fs.readFileSync(file)).model.merges.map(merge => Array.isArray(merge) ? merge.join(" ") : merge);
  fs.writeFileSync(path.join(__dirname, name + ".json"), JSON.stringify({ merges, texts: pieces }, null, 1) + "\n");
  console.log(name, merges.length);
}
fs.rmSync(folder, { recursive: true });
