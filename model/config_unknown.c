// SPDX-License-Identifier: Apache-2.0
// Keys of config.json that no reader takes: those that change no result, and a refusal of all others.
#include "model/config_unknown.h"

#include <string.h>

// Keys that change no logits: training, classifiers, sampling, names, how a program runs. The element type
// among them: what counts is that of the tensors.
static const char *const harmless[] = {"_attn_implementation",
                                       "_attn_implementation_autoset",
                                       "_commit_hash",
                                       "_experts_implementation",
                                       "_flash_attn_2_enabled",
                                       "_name_or_path",
                                       "attention_dropout",
                                       "attention_probs_dropout_prob",
                                       "attn_implementation",
                                       "attn_pdrop",
                                       "auto_map",
                                       "aux_loss_alpha",
                                       "bad_words_ids",
                                       "begin_suppress_tokens",
                                       "bos_token",
                                       "chunk_size_feed_forward",
                                       "classifier_dropout",
                                       "custom_pipelines",
                                       "decoder_start_token_id",
                                       "diversity_penalty",
                                       "do_sample",
                                       "dtype",
                                       "early_stopping",
                                       "embd_pdrop",
                                       "encoder_no_repeat_ngram_size",
                                       "eos_token",
                                       "ep_size",
                                       "experts_implementation",
                                       "exponential_decay_length_penalty",
                                       "finetuning_task",
                                       "forced_bos_token_id",
                                       "forced_eos_token_id",
                                       "generation_config",
                                       "gradient_checkpointing",
                                       "hidden_dropout",
                                       "hidden_dropout_prob",
                                       "id2label",
                                       "initializer_range",
                                       "is_llama_config",
                                       "keys_to_ignore_at_inference",
                                       "label2id",
                                       "length_penalty",
                                       "license",
                                       "loss_type",
                                       "max_length",
                                       "max_new_tokens",
                                       "min_length",
                                       "model_max_length",
                                       "name_or_path",
                                       "no_repeat_ngram_size",
                                       "num_beam_groups",
                                       "num_beams",
                                       "num_labels",
                                       "num_return_sequences",
                                       "output_attentions",
                                       "output_hidden_states",
                                       "output_router_logits",
                                       "output_scores",
                                       "pad_token",
                                       "pad_token_id",
                                       "prefix",
                                       "pretraining_tp",
                                       "problem_type",
                                       "remove_invalid_values",
                                       "renormalize_logits",
                                       "repetition_penalty",
                                       "resid_pdrop",
                                       "return_dict",
                                       "return_dict_in_generate",
                                       "router_aux_loss_coef",
                                       "router_jitter_noise",
                                       "sep_token_id",
                                       "seq_aux",
                                       "suppress_tokens",
                                       "task_specific_params",
                                       "temperature",
                                       "tf_legacy_loss",
                                       "tie_encoder_decoder",
                                       "tokenizer_class",
                                       "top_k",
                                       "top_p",
                                       "torch_dtype",
                                       "torchscript",
                                       "transformers.js_config",
                                       "transformers_version",
                                       "typical_p",
                                       "unsloth_fixed",
                                       "unsloth_training",
                                       "unsloth_version",
                                       "use_bfloat16",
                                       "use_cache",
                                       "use_return_dict"};

bool model_key_is_harmless(const char *key) {
  for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
    if (strcmp(key, harmless[i]) == 0) return true;
  return false;
}

// Keys that transformers takes as on where they are not there, so that switching them off is what changes.
static const char *const usually_on[] = {"is_causal"};

static bool is_usually_on(const char *key) {
  for (size_t i = 0; i < sizeof usually_on / sizeof *usually_on; i++)
    if (strcmp(key, usually_on[i]) == 0) return true;
  return false;
}

// Whether a key that nobody took leaves what is computed as it is: it is harmless, or as without it.
static bool changes_nothing(const char *key, const json_t *value) {
  if (is_usually_on(key)) return json_is_true(value);
  return model_key_is_harmless(key) || model_json_is_off(value);
}

void model_refuse_unknown(struct model_json *json) {
  const char *key;
  json_t *value;
  if (json->status) return;
  json_object_foreach(json->left, key, value) {
    if (changes_nothing(key, value)) continue;
    model_json_refuse(json, DUPLEX_ERROR_NOT_AVAILABLE, key,
                      "is not known: it may change what is computed, expected no such key");
    return;
  }
}
