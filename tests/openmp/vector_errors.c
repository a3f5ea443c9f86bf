// The errors of vector functions in units in the last place, against wider functions of libm.
#include "grugen_vector_power.h"

#include <float.h>

#if GRUGEN_REAL_IS_F32
typedef double wide;
typedef uint32_t bit_pattern;
#define WIDE(function) function
#define REAL_EPSILON FLT_EPSILON
#define REAL_LOWEST_EXPONENT FLT_MIN_EXP
#define REAL_HIGHEST_EXPONENT FLT_MAX_EXP
#else
typedef long double wide;
typedef uint64_t bit_pattern;
#define WIDE(function) function##l
#define REAL_EPSILON DBL_EPSILON
#define REAL_LOWEST_EXPONENT DBL_MIN_EXP
#define REAL_HIGHEST_EXPONENT DBL_MAX_EXP
#endif

GRUGEN_REAL exponent;
int whole_exponent;

static wide exact_exp(wide a) { return WIDE(exp)(a); }
static wide exact_log(wide a) { return WIDE(log)(a); }
static wide exact_tanh(wide a) { return WIDE(tanh)(a); }
static wide exact_sqrt(wide a) { return WIDE(sqrt)(a); }
static wide exact_abs(wide a) { return WIDE(fabs)(a); }
static wide exact_floor(wide a) { return WIDE(floor)(a); }
static wide exact_relu(wide a) { return a <= 0 ? 0 : a; }
static wide exact_power(wide a) { return WIDE(pow)(a, (wide)exponent); }
static wide exact_whole_power(wide a) { return WIDE(pow)(a, (wide)whole_exponent); }

static wide exact_sigmoid(wide a)
{
    const wide e = WIDE(exp)(-WIDE(fabs)(a));
    return (a < 0 ? e : 1) / (1 + e);
}

static wide exact_softplus(wide a)
{
    return (a <= 0 ? 0 : a) + WIDE(log1p)(WIDE(exp)(-WIDE(fabs)(a)));
}

static double error_of(GRUGEN_REAL found, wide exact)
{
    const GRUGEN_REAL rounded = (GRUGEN_REAL)exact;
    const wide normal = WIDE(ldexp)(1, REAL_LOWEST_EXPONENT - 1);
    if (found == rounded || (found != found && exact != exact)) { return 0; }
    // below the smallest normal number results may be flushed to zero
    if (WIDE(fabs)(exact) < normal && WIDE(fabs)((wide)found) <= normal) { return 0; }
    if (found != found || exact != exact || (wide)rounded == (wide)found * 0) { return INFINITY; }
    int power;
    WIDE(frexp)(exact, &power);
    power = power < REAL_LOWEST_EXPONENT ? REAL_LOWEST_EXPONENT : power;
    power = power > REAL_HIGHEST_EXPONENT ? REAL_HIGHEST_EXPONENT : power;
    // an infinite result stands for the first number that is too large
    const wide beyond = WIDE(ldexp)(1, REAL_HIGHEST_EXPONENT);
    const wide value = found > 0 && (wide)found > beyond   ? beyond
                       : found < 0 && (wide)found < -beyond ? -beyond
                                                            : (wide)found;
    return (double)(WIDE(fabs)(value - exact) / WIDE(ldexp)((wide)REAL_EPSILON, power - 1));
}

// The largest error at the numbers with the bits first, first + step, ...
#define ERRORS(name, call)                                                                         \
    void map_##name(const GRUGEN_REAL *from, GRUGEN_REAL *to, int64_t n)                           \
    {                                                                                              \
        for (int64_t i = 0; i < n; i += GRUGEN_LANES) {                                            \
            const int lanes = grugen_lanes(n - i);                                                 \
            const grugen_vector a = grugen_load_v(from + i, lanes);                                \
            grugen_store_v(to + i, call, lanes);                                                   \
        }                                                                                          \
    }                                                                                              \
    double worst_##name(uint64_t first, uint64_t step, int64_t count, double *argument)            \
    {                                                                                              \
        enum { SOME = 1024 };                                                                      \
        GRUGEN_REAL from[SOME], to[SOME];                                                          \
        double worst = 0;                                                                          \
        for (int64_t done = 0; done < count; done += SOME) {                                       \
            for (int i = 0; i < SOME; ++i) {                                                       \
                const bit_pattern bits = (bit_pattern)(first + (uint64_t)(done + i) * step);       \
                memcpy(from + i, &bits, sizeof(bits));                                             \
            }                                                                                      \
            map_##name(from, to, SOME);                                                            \
            for (int i = 0; i < SOME; ++i) {                                                       \
                const double error = error_of(to[i], exact_##name((wide)from[i]));                 \
                if (error > worst) {                                                               \
                    worst = error;                                                                 \
                    *argument = (double)from[i];                                                   \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        return worst;                                                                              \
    }

ERRORS(exp, grugen_exp_v(a))
ERRORS(log, grugen_log_v(a))
ERRORS(sigmoid, grugen_sigmoid_v(a))
ERRORS(tanh, grugen_tanh_v(a))
ERRORS(softplus, grugen_softplus_v(a))
ERRORS(sqrt, grugen_sqrt_v(a))
ERRORS(abs, grugen_abs_v(a))
ERRORS(floor, grugen_floor_v(a))
ERRORS(relu, grugen_relu_v(a))
ERRORS(power, grugen_power_v(a, exponent))
ERRORS(whole_power, grugen_whole_power_v(a, whole_exponent))

void map_min(const GRUGEN_REAL *a, const GRUGEN_REAL *b, GRUGEN_REAL *to)
{
    grugen_store_whole_v(to, grugen_min_v(grugen_load_whole_v(a), grugen_load_whole_v(b)));
}

void map_max(const GRUGEN_REAL *a, const GRUGEN_REAL *b, GRUGEN_REAL *to)
{
    grugen_store_whole_v(to, grugen_max_v(grugen_load_whole_v(a), grugen_load_whole_v(b)));
}

// a where a < b, else b; as kernels write it
void map_select(const GRUGEN_REAL *a, const GRUGEN_REAL *b, GRUGEN_REAL *to)
{
    const grugen_vector left = grugen_load_whole_v(a), right = grugen_load_whole_v(b);
    const grugen_mask mask = left < right;
    grugen_store_whole_v(to, grugen_select_v(mask, left, right));
}

void map_spread(GRUGEN_REAL value, GRUGEN_REAL *to)
{
    grugen_store_whole_v(to, grugen_spread_v(value));
}

void copy(const GRUGEN_REAL *from, GRUGEN_REAL *to, int lanes)
{
    grugen_store_v(to, grugen_load_v(from, lanes), lanes);
}

void copy_padded(const GRUGEN_REAL *from, GRUGEN_REAL *to, int lanes)
{
    grugen_store_whole_v(to, grugen_load_v(from, lanes));
}

GRUGEN_REAL sum(const GRUGEN_REAL *p, int64_t n) { return grugen_sum_v(p, n); }

GRUGEN_REAL dot(const GRUGEN_REAL *p, const GRUGEN_REAL *q, int64_t n)
{
    return grugen_dot_v(p, q, n);
}

int lanes_of_a_vector(void) { return GRUGEN_LANES; }
