package convert

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/biggan-zoo/biggan/weights"
)

// keys are the names of a config's keys, from the tags of the struct that it is read into.
func keys[T any]() []string {
	var names []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// unknownKeys are the keys of a JSON object that are in none of the lists. What is no object
// has none: its reader refuses it.
func unknownKeys(config []byte, known ...[]string) []string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(config, &fields) != nil {
		return nil
	}
	var unknown []string
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !slices.ContainsFunc(known, func(list []string) bool { return slices.Contains(list, key) }) {
			unknown = append(unknown, key)
		}
	}
	return unknown
}

// checkKeys refuses a config with keys that nobody knows: a typing error would be taken for
// a value that was not given. Of the known, those that count are named in the error.
func checkKeys(config []byte, count, others []string) error {
	if unknown := unknownKeys(config, count, others); len(unknown) > 0 {
		return fmt.Errorf("config: unknown key %q: want some of %s%s", unknown[0], strings.Join(count, ", "), alsoOthers(others))
	}
	return nil
}

func alsoOthers(others []string) string {
	if len(others) == 0 {
		return ""
	}
	return ", or another argument of the constructor, which changes nothing here"
}

// The arguments of the constructors that say nothing which the file does not: BigGAN-PyTorch's
// Generator and Discriminator (BigGAN.py, BigGANdeep.py), and mmgeneration's BigGANGenerator and
// BigGANDeepGenerator.
var (
	otherConstructor = strings.Fields(`G_ch D_ch bottom_width G_kernel_size D_kernel_size G_attn D_attn num_G_SVs num_G_SV_itrs
		num_D_SVs num_D_SV_itrs cross_replica mybn G_activation D_activation G_lr D_lr G_B1 G_B2 D_B1 D_B2 adam_eps
		G_mixed_precision D_mixed_precision G_fp16 D_fp16 G_init D_init skip_init no_optim G_param D_param norm_style D_wide
		D_depth output_dim`)
	otherArguments = strings.Fields(`type output_scale noise_size num_classes out_channels base_channels input_scale
		with_shared_embedding shared_dim sn_style init_type split_noise act_cfg upsample_cfg conv_cfg with_spectral_norm
		auto_sync_bn blocks_cfg block_cfg arch_cfg out_norm_cfg norm_cfg pretrained rgb2bgr concat_noise`)
)

// takesNone refuses a config for a source that needs none.
func (o Options) takesNone(what string) error {
	if o.Config == nil {
		return nil
	}
	return fmt.Errorf("convert: %w: %s takes no config: the file says all", weights.ErrFormat, what)
}
