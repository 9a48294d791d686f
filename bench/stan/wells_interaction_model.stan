// Whether a household changes its well, by distance (in 100 m), arsenic and their interaction.
data {
  int<lower=0> N;
  array[N] int<lower=0, upper=1> switched;
  vector[N] dist;
  vector[N] arsenic;
}
transformed data {
  vector[N] dist100 = dist / 100;
  vector[N] interaction = dist100 .* arsenic;
}
parameters {
  real alpha;
  vector[3] beta;
}
model {
  switched ~ bernoulli_logit(alpha + beta[1] * dist100 + beta[2] * arsenic + beta[3] * interaction);
}
