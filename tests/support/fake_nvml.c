/* A driver's libnvidia-ml with made-up GPUs, for tests: as much of it as glov asks for.

   FAKE_GPUS names their kinds, parted by commas: whole, mig (no utilisation, power or
   temperature), lost, denied (no processes). FAKE_INIT is what nvmlInit returns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6,
       INSUFFICIENT_SIZE = 7, LOST = 15 };

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned int gpu, memory; } Rates;
typedef struct {
    unsigned int pid;
    unsigned long long used;
    unsigned int gpu_instance, compute_instance;
} Process;

static int kinds(char found[8][16]) {
    char text[256];
    int count = 0;
    const char *given = getenv("FAKE_GPUS");
    snprintf(text, sizeof text, "%s", given ? given : "whole");
    for (char *one = strtok(text, ","); one && count < 8; one = strtok(NULL, ","))
        snprintf(found[count++], 16, "%s", one);
    return count;
}

static int number(void *device) { return (int)(long)device - 1; }

static int is(void *device, const char *kind) {
    char found[8][16];
    kinds(found);
    return strcmp(found[number(device)], kind) == 0;
}

int nvmlInitWithFlags(unsigned int flags) {
    const char *code = getenv("FAKE_INIT");
    return code ? atoi(code) : OK;
}
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return "an error of the fake driver"; }

int nvmlDeviceGetCount_v2(unsigned int *count) {
    char found[8][16];
    *count = kinds(found);
    return OK;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device) {
    char found[8][16];
    if ((int)index >= kinds(found)) return INVALID;
    *device = (void *)(long)(index + 1);
    return OK;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) {
    if (strcmp(uuid, "MIG-of-gpu-0")) return NOT_FOUND;
    *device = (void *)1;
    return OK;
}
int nvmlDeviceGetName(void *device, char *name, unsigned int length) {
    if (is(device, "lost")) return LOST;
    snprintf(name, length, "NVIDIA H200 [%d]", number(device));
    return OK;
}
int nvmlDeviceGetUUID(void *device, char *uuid, unsigned int length) {
    snprintf(uuid, length, "GPU-%08d-made-up", number(device));
    return OK;
}
int nvmlDeviceGetMemoryInfo(void *device, Memory *memory) {
    if (is(device, "lost")) return LOST;
    memory->total = 80ull << 30;
    memory->used = (10ull + number(device)) << 30;
    memory->free = memory->total - memory->used;
    return OK;
}
int nvmlDeviceGetUtilizationRates(void *device, Rates *rates) {
    if (is(device, "lost")) return LOST;
    if (is(device, "mig")) return NOT_SUPPORTED;
    rates->gpu = 87;
    rates->memory = 40;
    return OK;
}
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned int *celsius) {
    if (is(device, "lost")) return LOST;
    if (is(device, "mig") || sensor != 0) return NOT_SUPPORTED;
    *celsius = 61;
    return OK;
}
int nvmlDeviceGetPowerUsage(void *device, unsigned int *milliwatts) {
    if (is(device, "lost")) return LOST;
    if (is(device, "mig")) return NOT_SUPPORTED;
    *milliwatts = 310500;
    return OK;
}
#ifndef OLD_DRIVER
int nvmlDeviceGetEnforcedPowerLimit(void *device, unsigned int *milliwatts) {
    if (is(device, "lost")) return LOST;
    if (is(device, "mig")) return NOT_SUPPORTED;
    *milliwatts = 700000;
    return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned int *count, Process *found) {
    if (is(device, "denied")) return NO_PERMISSION;
    if (is(device, "lost")) return LOST;
    if (*count < 2) {
        *count = 2;
        return INSUFFICIENT_SIZE;
    }
    *count = 2;
    memset(found, 0, 2 * sizeof *found);
    found[0].pid = 1;
    found[0].used = 5ull << 30;
    found[1].pid = getpid();
    found[1].used = 3ull << 30;
    return OK;
}
#endif
