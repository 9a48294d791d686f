// Capture and recapture with a probability an occasion. The table is padded with rows of zeros; whether a row is an
// animal is summed out, once for all of those.
data {
  int<lower=0> M;
  int<lower=0> T;
  array[M, T] int<lower=0, upper=1> y;
}
transformed data {
  int seen = 0;
  vector[T] captures = rep_vector(0, T);
  for (i in 1 : M) {
    seen += sum(y[i]) > 0;
    for (t in 1 : T) {
      captures[t] += y[i, t];
    }
  }
  vector[T] misses = seen - captures;
}
parameters {
  real<lower=0, upper=1> omega;
  vector<lower=0, upper=1>[T] p;
}
model {
  vector[T] log_missed = log1m(p);
  target += seen * log(omega) + dot_product(captures, log(p)) + dot_product(misses, log_missed);
  target += (M - seen) * log_sum_exp(log(omega) + sum(log_missed), log1m(omega));
}
