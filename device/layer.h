#include "duplex/device.h"
