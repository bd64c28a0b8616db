// SPDX-License-Identifier: Apache-2.0
// Tokenizers: merges against a plain search, both kinds of BPE, added tokens, streams of half characters,
// GGUF against tokenizer.json, and refusals by name.
#include "duplex/random.h"
#include "model/bpe.h"
#include "model/tokenizer.h"
#include "model/utf8.h"
#include "tests/common/environment.h"
#include "tests/model/files.h"

static struct model_error error;

static struct model_tokenizer *open_text(const char *text) {
  struct model_tokenizer *tokenizer;
  if (model_tokenizer_read_json((const uint8_t *)text, strlen(text), "tokenizer.json", &tokenizer, &error))
    fail_msg("%s", error.text);
  return tokenizer;
}

// Encodes, and compares with a list that ends with -1; then decodes, and compares with the text that it
// gives.
static void check(const struct model_tokenizer *tokenizer, const char *text, bool whole, const int *expected,
                  const char *back) {
  struct model_tokens tokens = {0};
  struct model_stream stream = {0};
  struct model_bytes all = {0};
  char *end;
  size_t size;
  assert_int_equal(model_tokenizer_encode(tokenizer, text, strlen(text), whole, &tokens, &error), 0);
  for (size_t i = 0; i < tokens.count; i++) {
    char *part;
    size_t length;
    if (expected[i] != (int)tokens.list[i])
      fail_msg("'%s': token %zu is %u, expected %d", text, i, tokens.list[i], expected[i]);
    assert_int_equal(model_tokenizer_decode(tokenizer, &stream, tokens.list[i], true, &part, &length, &error),
                     0);
    assert_int_equal(strlen(part), length);
    put(&all, part, length);
    free(part);
  }
  assert_int_equal(expected[tokens.count], -1);
  assert_int_equal(model_tokenizer_end(tokenizer, &stream, &end, &size, &error), 0);
  put(&all, end, size);
  free(end);
  put(&all, "", 1);
  assert_string_equal(all.data, back);
  model_bytes_free(&all);
  model_tokens_free(&tokens);
}
#define TOKENS(...) ((const int[]){__VA_ARGS__, -1})

// Single bytes a b c blank(Ġ) and the two of U+00E9 (Ã ©), then merges.
#define BYTE_VOCABULARY                                                                                 \
  "\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"\xc4\xa0\":3,\"\xc3\x83\":4,\"\xc2\xa9\":5,\"ab\":6,\"abc\":7," \
  "\"\xc4\xa0"                                                                                          \
  "ab\":8,\"bc\":9,\"1\":10,\"11\":11,\"\xc3\x83\xc2\xa9\":12},"                                        \
  "\"merges\":[\"a b\",[\"b\",\"c\"],\"ab c\",\"\xc4\xa0 ab\",\"1 1\",\"\xc3\x83 \xc2\xa9\"]"
#define BYTE_LEVEL(more, pre)                                                                               \
  "{\"added_tokens\":[{\"id\":20,\"content\":\"<s>\",\"special\":true},{\"id\":21,\"content\":\"<s>>\","    \
  "\"special\":false,\"normalized\":false,\"lstrip\":true,\"rstrip\":true}]," more "\"pre_tokenizer\":" pre \
  ",\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\"," BYTE_VOCABULARY "}}"
#define PLAIN "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}"

static void test_byte_level(void **state) {
  (void)state;
  struct model_tokenizer *t = open_text(BYTE_LEVEL("", PLAIN));
  check(t, "abc ab", false, TOKENS(7, 8), "abc ab");
  check(t, "bcabc", false, TOKENS(9, 7), "bcabc");
  check(t, "11\xc3\xa9", false, TOKENS(11, 12), "11\xc3\xa9");
  check(t, "a<s>b<s>>c", false, TOKENS(0, 20, 1, 21, 2), "a<s>b<s>>c");
  check(t, "a  <s>>  b", false, TOKENS(0, 21, 1), "a<s>>b");
  check(t, "", false, TOKENS(-1), "");
  check(t, "xax", false, TOKENS(0), "a");  // bytes without a token are left out
  assert_int_equal(model_tokenizer_size(t), 22);
  assert_int_equal(model_tokenizer_check(t, 22, &error), 0);
  assert_int_equal(model_tokenizer_check(t, 21, &error), DUPLEX_ERROR_FORMAT);
  model_tokenizer_close(t);
  t = open_text(
      BYTE_LEVEL("\"normalizer\":{\"type\":\"NFC\"},",
                 "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":"
                 "true}," PLAIN "]}"));
  check(t,
        "11e\xcc\x81"
        "ab",
        false, TOKENS(10, 10, 12, 6),
        "11\xc3\xa9"
        "ab");
  model_tokenizer_close(t);
  t = open_text(
      BYTE_LEVEL("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
                 "\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":"
                 "{\"id\":\"e\",\"type_id\":0}}],\"special_tokens\":{\"<s>\":{\"ids\":[20]},\"e\":{\"ids\":"
                 "[2,1]}}},",
                 "{\"type\":\"ByteLevel\"}"));
  check(t, "ab", true, TOKENS(20, 8, 2, 1), "<s> abcb");
  check(t, "ab", false, TOKENS(8), " ab");
  model_tokenizer_close(t);
  t = open_text(
      BYTE_LEVEL("",
                 "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"String\":"
                 "\"b\"},\"behavior\":\"Isolated\"},{\"type\":\"Split\",\"pattern\":{\"Regex\":\"c+\"},"
                 "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\","
                 "\"add_prefix_space\":false,\"use_regex\":false}]}"));
  check(t, "abcc a", false, TOKENS(0, 1, 2, 2, 3, 0), "abcc a");
  model_tokenizer_close(t);
}

// Tokens one by one, and the text of each; then that of the end.
struct streamed {
  int tokens[6];
  const char *parts[6], *end;
};

static void check_stream(const struct model_tokenizer *t, const struct streamed *expected) {
  struct model_stream stream = {0};
  char *part;
  size_t length;
  for (unsigned j = 0; expected->tokens[j] >= 0; j++) {
    assert_int_equal(
        model_tokenizer_decode(t, &stream, (uint32_t)expected->tokens[j], false, &part, &length, &error), 0);
    assert_string_equal(part, expected->parts[j]);
    free(part);
  }
  assert_int_equal(model_tokenizer_end(t, &stream, &part, &length, &error), 0);
  assert_string_equal(part, expected->end);
  free(part);
}

// Half characters wait for their end, and become U+FFFD if it does not come.
static void test_stream(void **state) {
  (void)state;
  static const struct streamed cases[] = {
      {{4, 5, -1}, {"", "\xc3\xa9"}, ""},
      {{4, 0, -1}, {"", MODEL_REPLACEMENT "a"}, ""},
      {{4, -1}, {""}, MODEL_REPLACEMENT},
      {{5, 4, 4, 5, -1}, {MODEL_REPLACEMENT, "", MODEL_REPLACEMENT, "\xc3\xa9"}, ""},
      {{4, 20, 5, -1}, {"", "", "\xc3\xa9"}, ""}};
  struct model_tokenizer *t = open_text(BYTE_LEVEL("", PLAIN));
  for (size_t i = 0; i < LENGTH(cases); i++) check_stream(t, &cases[i]);
  struct model_stream stream = {0};
  char *part;
  size_t length;
  assert_int_equal(model_tokenizer_decode(t, &stream, 13, false, &part, &length, &error),
                   DUPLEX_ERROR_ARGUMENT);
  assert_null(part);
  model_tokenizer_close(t);
}

#define MARK "\xe2\x96\x81"
#define PIECES(steps) PIECES_WITH("", steps)
#define PIECES_WITH(more, steps)                                                                            \
  "{" steps                                                                                                 \
  "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":"         \
  "\"" MARK                                                                                                 \
  "\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\","             \
  "\"content\":\" \",\"start\":1,\"stop\":0}]},\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,"         \
  "\"fuse_unk\":true,\"unk_token\":\"<unk>\",\"vocab\":{\"<unk>\":0,\"a\":1,\"b\":2,\"" MARK "\":3,\"" MARK \
  "a\":4,\"" MARK "ab\":5,\"<0xC3>\":6,\"<0xA9>\":7,\"ab\":8" more "},\"merges\":[\"" MARK " a\",\"" MARK   \
  "a b\"]}}"
#define METASPACE(scheme, split) \
  "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_scheme\":\"" scheme "\",\"split\":" split "},"

static void test_pieces(void **state) {
  (void)state;
  static const char *const steps[] = {
      PIECES(
          "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"" MARK
          "\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" MARK "\"}]},"),
      PIECES(METASPACE("first", "true")), PIECES(METASPACE("always", "false"))};
  for (size_t i = 0; i < LENGTH(steps); i++) {
    struct model_tokenizer *t = open_text(steps[i]);
    check(t, "ab a", false, TOKENS(5, 4), "ab a");
    check(t, "b\xc3\xa9", false, TOKENS(3, 2, 6, 7), "b\xc3\xa9");
    check(t, "xxa", false, TOKENS(3, 0, 1), "<unk>a");
    check(t, "a  b", false, TOKENS(4, 3, 3, 2), "a  b");
    model_tokenizer_close(t);
  }
  struct model_tokenizer *t = open_text(PIECES(METASPACE("never", "false")));
  check(t, "ab a", false, TOKENS(1, 2, 4), "ab a");
  model_tokenizer_close(t);
}

// Bytes that follow each other are UTF-8 together, or each of them is U+FFFD, as by the package tokenizers:
// their text waits for the token behind them.
static void test_byte_runs(void **state) {
  (void)state;
#define BAD MODEL_REPLACEMENT
  static const struct streamed cases[] = {{{6, 7, 2, -1},
                                           {"", "",
                                            "\xc3\xa9"
                                            "b"},
                                           ""},
                                          {{2, 6, 7, -1}, {"b", "", ""}, "\xc3\xa9"},
                                          {{6, 9, 1, -1}, {"", "", BAD BAD "a"}, ""},
                                          {{7, 9, 6, 7, -1}, {"", "", "", ""}, BAD BAD BAD BAD},
                                          {{9, 2, 7, 1, -1}, {"", "Ab", "", BAD "a"}, ""},
                                          {{10, 9, -1}, {"", ""}, "A"},
                                          {{3, 6, -1}, {"", ""}, BAD}};
  struct model_tokenizer *t = open_text(PIECES_WITH(",\"<0x41>\":9,\"<0x20>\":10", ""));
  for (size_t i = 0; i < LENGTH(cases); i++) check_stream(t, &cases[i]);
  model_tokenizer_close(t);
}

// The next merge by a plain search: the lowest rank, of equal ranks the leftmost place.
static size_t merge_plainly(const struct model_bpe *bpe, uint32_t *symbols, size_t count) {
  for (;;) {
    uint32_t best = UINT32_MAX;
    uint32_t result = 0;
    size_t at = 0;
    for (size_t i = 0; i + 1 < count; i++)
      for (uint32_t m = 0; m <= bpe->merge_mask; m++)
        if (bpe->merges[m].rank != MODEL_NO_ID && bpe->merges[m].rank < best &&
            bpe->merges[m].pair == ((uint64_t)symbols[i] << 32 | symbols[i + 1]))
          best = bpe->merges[m].rank, result = bpe->merges[m].result, at = i;
    if (best == UINT32_MAX) return count;
    symbols[at] = result;
    memmove(symbols + at + 1, symbols + at + 2, (count - at - 2) * sizeof *symbols);
    count--;
  }
}

static void test_merges(void **state) {
  (void)state;
  struct duplex_random random;
  struct model_bpe bpe = {.bytes = true, .unknown = MODEL_NO_ID};
  duplex_random_seed(&random, environment_seed(), 1);
  for (uint32_t i = 0; i < 4; i++)
    assert_int_equal(model_vocabulary_add(&bpe.vocabulary, i, (struct model_text){&"abcd"[i], 1}, "", &error),
                     0);
  // 60 tokens of two earlier ones each, by ranks that repeat.
  for (uint32_t i = 4; i < 64; i++) {
    const uint32_t left = (uint32_t)duplex_random_below(&random, i);
    const uint32_t right = (uint32_t)duplex_random_below(&random, i);
    struct model_bytes both = {0};
    const struct model_text first = model_vocabulary_text(&bpe.vocabulary, left);
    put(&both, first.bytes, first.length);
    const struct model_text second = model_vocabulary_text(&bpe.vocabulary, right);
    put(&both, second.bytes, second.length);
    assert_int_equal(
        model_vocabulary_add(&bpe.vocabulary, i, (struct model_text){both.data, both.count}, "", &error), 0);
    assert_int_equal(model_bpe_add(&bpe, left, right, (uint32_t)duplex_random_below(&random, 20), i, &error),
                     0);
    model_bytes_free(&both);
  }
  for (unsigned n = 0; n < 60 * environment_count("DUPLEX_CASES"); n++) {
    char word[40];
    uint32_t symbols[40];
    const size_t length = duplex_random_below(&random, sizeof word);
    for (size_t i = 0; i < length; i++) {
      symbols[i] = (uint32_t)duplex_random_below(&random, 1 + n % 4);
      word[i] = "abcd"[symbols[i]];
    }
    struct model_tokens tokens = {0};
    assert_int_equal(model_bpe_encode(&bpe, (struct model_text){word, length}, &tokens, &error), 0);
    assert_int_equal(tokens.count, merge_plainly(&bpe, symbols, length));
    for (size_t i = 0; i < tokens.count; i++) assert_int_equal(tokens.list[i], symbols[i]);
    model_tokens_free(&tokens);
  }
  model_bpe_free(&bpe);
}

static void put_texts(struct model_bytes *bytes, const char *key, const char *const *texts, unsigned count) {
  put_text(bytes, key);
  put_number(bytes, 9, 4);
  put_number(bytes, 8, 4);
  put_number(bytes, count, 8);
  for (unsigned i = 0; i < count; i++) put_text(bytes, texts[i]);
}

static struct model_tokenizer *open_gguf(const struct model_bytes *values, unsigned count,
                                         const char *refused) {
  struct model_bytes file = {0};
  struct model_tokenizer *tokenizer;
  put(&file, "GGUF\3\0\0\0\0\0\0\0\0\0\0\0", 16);
  put_number(&file, count, 8);
  put(&file, values->data, values->count);
  const int status =
      model_tokenizer_read_gguf((const uint8_t *)file.data, file.count, "x.gguf", &tokenizer, &error);
  model_bytes_free(&file);
  if (!refused && status) fail_msg("%s", error.text);
  if (refused && (!status || !strstr(error.text, refused)))
    fail_msg("'%s', expected '%s'", error.text, refused);
  return tokenizer;
}

static void test_gguf(void **state) {
  (void)state;
  static const char *const tokens[] = {"a", "b", "\304\240", "ab", "\304\240ab", "<s>", "1", "11"};
  static const char *const merges[] = {"a b", "\xc4\xa0 ab", "1 1"};
  struct model_bytes values = {0};
  put_string(&values, "tokenizer.ggml.model", "gpt2");
  put_string(&values, "tokenizer.ggml.pre", "smollm");
  put_texts(&values, "tokenizer.ggml.tokens", tokens, LENGTH(tokens));
  put_texts(&values, "tokenizer.ggml.merges", merges, LENGTH(merges));
  put_text(&values, "tokenizer.ggml.token_type");
  put_number(&values, 9, 4);
  put_number(&values, 5, 4);
  put_number(&values, LENGTH(tokens), 8);
  for (unsigned i = 0; i < LENGTH(tokens); i++) put_number(&values, i == 5 ? 3 : 1, 4);
  put_u32(&values, "tokenizer.ggml.bos_token_id", 5);
  put_text(&values, "tokenizer.ggml.add_bos_token");
  put_number(&values, 7, 4);
  put_number(&values, 1, 1);
  struct model_tokenizer *t = open_gguf(&values, 7, NULL);
  check(t, "ab ab11<s>", true, TOKENS(5, 3, 4, 6, 6, 5), "<s>ab ab11<s>");
  model_tokenizer_close(t);
  model_bytes_free(&values);
}

static void test_gguf_pieces(void **state) {
  (void)state;
  static const char *const tokens[] = {"<unk>", "a", "b", MARK, "ab", MARK "a", "<0xC3>", "<0xA9>"};
  static const float scores[] = {0, -10, -11, -12, -2, -1, -20, -21};
  struct model_bytes values = {0};
  put_string(&values, "tokenizer.ggml.model", "llama");
  put_texts(&values, "tokenizer.ggml.tokens", tokens, LENGTH(tokens));
  put_text(&values, "tokenizer.ggml.scores");
  put_number(&values, 9, 4);
  put_number(&values, 6, 4);
  put_number(&values, LENGTH(tokens), 8);
  put(&values, scores, sizeof scores);
  put_u32(&values, "tokenizer.ggml.unknown_token_id", 0);
  struct model_tokenizer *t = open_gguf(&values, 4, NULL);
  // The better score goes first: a blank and a before a and b.
  check(t, "abab\xc3\xa9", false, TOKENS(5, 2, 4, 6, 7), "abab\xc3\xa9");
  // A blank more than the text begins with, as llama.cpp and SentencePiece have it.
  check(t, " ab", false, TOKENS(3, 5, 2), " ab");
  check(t, "  ab", false, TOKENS(3, 3, 5, 2), "  ab");
  check(t, MARK "b", false, TOKENS(3, 3, 2), " b");
  model_tokenizer_close(t);
  open_gguf(&values, 1, "tokenizer.ggml.tokens: expected a list of texts");
  open_gguf(&values, 2, "tokenizer.ggml.scores: expected a number for each token");
  open_gguf(&values, 0, "tokenizer.ggml.model: '' is not there");
  model_bytes_free(&values);
  values = (struct model_bytes){0};
  put_string(&values, "tokenizer.ggml.model", "gpt2");
  put_string(&values, "tokenizer.ggml.pre", "odd");
  open_gguf(&values, 2, "tokenizer.ggml.pre: 'odd' is not there");
  model_bytes_free(&values);
}

static void test_refused(void **state) {
  (void)state;
#define DECODER "\"decoder\":{\"type\":\"Fuse\"},"
#define MODEL(text) "{" DECODER "\"model\":{\"type\":\"BPE\"," text "}}"
#define PRE(text) \
  "{\"pre_tokenizer\":" text "," DECODER "\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}"
#define NORM(text) \
  "{\"normalizer\":" text "," DECODER "\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}"
#define POST(text) \
  "{\"post_processor\":" text "," DECODER "\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}"
#define ADDED(text) \
  "{\"added_tokens\":" text "," DECODER "\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}"
  static const struct {
    const char *text, *what;
  } cases[] = {
      {"{}", "decoder: expected an object"},
      {"[", "expected JSON"},
      {"", "expected JSON: line 1"},
      {"{\"odd\":1," DECODER "\"model\":{}}", "tokenizer.json: odd is not there"},
      {MODEL("\"odd\":true"), "model.odd is not there"},
      {"{\"decoder\":{\"type\":\"WordPiece\"}}", "decoder: 'WordPiece' is not there"},
      {"{" DECODER "\"model\":{\"type\":\"Unigram\"}}", "model: 'Unigram' is not there"},
      {MODEL("\"vocab\":[]"), "model.vocab: expected an object"},
      {MODEL("\"vocab\":{\"a\":-1}"), "model.vocab: expected the numbers of tokens"},
      {MODEL("\"vocab\":{\"a\":16777216}"), "model.vocab: expected the numbers of tokens"},
      {MODEL("\"vocab\":{\"a\":1,\"b\":1}"), "tokenizer.json: token 1 is there twice"},
      {MODEL("\"vocab\":{\"a\":1}"), "model.merges: expected a list"},
      {MODEL("\"vocab\":{\"a\":1},\"merges\":[\"aa\"]"), "model.merges: expected pairs of tokens"},
      {MODEL("\"vocab\":{\"a\":1},\"merges\":[\"a a\"]"), "merge 0: expected two tokens"},
      {MODEL("\"vocab\":{\"a\":1},\"merges\":[],\"unk_token\":\"b\""), "model.unk_token: expected a token"},
      {MODEL("\"dropout\":0.1"), "model.dropout is not there"},
      {MODEL("\"end_of_word_suffix\":\"x\""), "model.end_of_word_suffix is not there"},
      {PRE("{\"type\":\"Whitespace\"}"), "pre_tokenizer: 'Whitespace' is not there"},
      {PRE("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},\"behavior\":\"Isolated\"}"),
       "a pattern is wrong"},
      {PRE("{\"type\":\"Split\",\"pattern\":{},\"behavior\":\"Isolated\"}"), "expected a pattern"},
      {PRE("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"},\"behavior\":\"Removed\"}"),
       "'Split' is not there"},
      {PRE("{\"type\":\"Sequence\"}"), "pre_tokenizer: expected a list of steps"},
      {PRE("{\"type\":\"Metaspace\",\"replacement\":\"_\"}"), "'Metaspace' is not there"},
      {PRE("{\"type\":\"Metaspace\",\"prepend_scheme\":\"odd\"}"), "'Metaspace' is not there"},
      {NORM("{\"type\":\"NFKC\"}"), "normalizer: 'NFKC' is not there"},
      {NORM("{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" \"},\"content\":\"\"}"),
       "normalizer: 'Replace' is not there"},
      {POST("{\"type\":\"BertProcessing\"}"), "post_processor: 'BertProcessing' is not there"},
      {POST("{\"type\":\"TemplateProcessing\",\"single\":[]}"), "'TemplateProcessing' is not there"},
      {POST("{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}}]}"),
       "expected its special tokens"},
      {ADDED("3"), "added_tokens: expected a list"},
      {ADDED("[{\"id\":1}]"), "added_tokens: expected a content"},
      {ADDED("[{\"content\":\"a\"}]"), "added_tokens: expected the numbers of tokens"},
      {ADDED("[{\"id\":1,\"content\":\"a\",\"single_word\":true}]"), "single_word is not there"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    struct model_tokenizer *t;
    const int status = model_tokenizer_read_json((const uint8_t *)cases[i].text, strlen(cases[i].text),
                                                 "tokenizer.json", &t, &error);
    if (!status || t || !strstr(error.text, cases[i].what))
      fail_msg("%s: '%s', expected '%s'", cases[i].text, error.text, cases[i].what);
  }
  struct model_tokenizer *t = open_text(BYTE_LEVEL("", PLAIN));
  struct model_tokens tokens = {0};
  static const char *const wrong[] = {"a\xff",    "\xc3",         "\xed\xa0\x80",    "\xf4\x90\x80\x80",
                                      "\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80"};
  for (size_t i = 0; i < LENGTH(wrong); i++)
    assert_int_equal(model_tokenizer_encode(t, wrong[i], strlen(wrong[i]), false, &tokens, &error),
                     DUPLEX_ERROR_ARGUMENT);
  model_tokenizer_close(t);
  // Tokens around a text are those of the model.
  t =
      open_text(POST("{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}},"
                     "{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{\"x\":{\"ids\":[9]}}}"));
  assert_int_equal(model_tokenizer_check(t, 10, &error), DUPLEX_OK);
  assert_int_equal(model_tokenizer_check(t, 9, &error), DUPLEX_ERROR_FORMAT);
  assert_non_null(strstr(error.text, "puts token 9 around a text"));
  model_tokenizer_close(t);
  // A pattern that takes too long is told with its file.
  t = open_text(PRE("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a|aa)+$\"},\"behavior\":\"Isolated\"}"));
  char many[4001];
  memset(many, 'a', sizeof many - 1);
  many[sizeof many - 2] = '!';
  many[sizeof many - 1] = 0;
  assert_int_equal(model_tokenizer_encode(t, many, sizeof many - 1, false, &tokens, &error),
                   DUPLEX_ERROR_FORMAT);
  assert_non_null(strstr(error.text, "tokenizer.json: a pattern gives up on this text"));
  model_tokenizer_close(t);
  model_tokens_free(&tokens);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_byte_level), cmocka_unit_test(test_stream),
                                     cmocka_unit_test(test_pieces),     cmocka_unit_test(test_merges),
                                     cmocka_unit_test(test_gguf),       cmocka_unit_test(test_gguf_pieces),
                                     cmocka_unit_test(test_byte_runs),  cmocka_unit_test(test_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
