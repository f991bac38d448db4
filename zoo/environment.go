package zoo

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/adrg/xdg"

	"github.com/biggan-zoo/biggan/weights"
)

// The variables that settle where models are and come from.
const (
	StoreVariable   = "BIGGAN_STORE"
	MirrorVariable  = "BIGGAN_MIRROR"
	OfflineVariable = "BIGGAN_OFFLINE"
)

// ErrSetting means that a variable of the environment has a value that it cannot have.
var ErrSetting = errors.New("bad setting")

// DefaultFolder is the store where none is named: biggan/models in the user's folder for
// data, as the XDG base directory specification has it. from is the variable that says so.
func DefaultFolder() (folder, from string, err error) {
	const variable = "XDG_DATA_HOME"
	from = "default"
	if value := os.Getenv(variable); value != "" {
		if !filepath.IsAbs(value) {
			return "", variable, fmt.Errorf("zoo: %w: %s=%q: want an absolute path", ErrSetting, variable, value)
		}
		from = variable
	}
	xdg.Reload()
	if !filepath.IsAbs(xdg.DataHome) {
		return "", "default", fmt.Errorf("zoo: %w: no home folder: set HOME, XDG_DATA_HOME or %s", ErrSetting, StoreVariable)
	}
	return filepath.Join(xdg.DataHome, "biggan", "models"), from, nil
}

// Settings are what the environment says.
type Settings struct {
	Folder  string
	Mirrors []*url.URL
	Offline bool
}

// Environment reads the settings; one that cannot be is ErrSetting.
func Environment() (s Settings, err error) {
	if s.Folder = os.Getenv(StoreVariable); s.Folder == "" {
		if s.Folder, _, err = DefaultFolder(); err != nil {
			return s, err
		}
	}
	if s.Mirrors, err = ParseMirrors(os.Getenv(MirrorVariable)); err != nil {
		return s, fmt.Errorf("%w: %s: %w", ErrSetting, MirrorVariable, err)
	}
	if text := os.Getenv(OfflineVariable); text != "" {
		if s.Offline, err = strconv.ParseBool(text); err != nil {
			return s, fmt.Errorf("zoo: %w: %s=%q: want true or false", ErrSetting, OfflineVariable, text)
		}
	}
	return s, nil
}

// Open opens a model by name, without the network: an embedded one, or one that was pulled
// into the store of the environment. Others are ErrNotPulled; a name that the registry does
// not know is registry.ErrUnknown.
func Open(ctx context.Context, name string) (*weights.File, error) {
	settings, err := Environment()
	if err != nil {
		return nil, err
	}
	return OpenIn(ctx, settings.Folder, name)
}

// OpenIn is Open with a store of one's own.
func OpenIn(ctx context.Context, folder, name string) (*weights.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if data, ok := Embedded(name); ok {
		return weights.Parse(data)
	}
	if _, err := Find(name); err != nil {
		return nil, err
	}
	s, err := OpenStore(folder, false)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	path, err := s.Path(name)
	if err != nil {
		return nil, err
	}
	return weights.Open(path)
}
