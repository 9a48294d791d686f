// Accident counts in the areas of a graph: a spatial and an unstructured effect share one scale.
data {
  int<lower=1> N;
  int<lower=0> N_edges;
  array[N_edges] int<lower=1, upper=N> node1;
  array[N_edges] int<lower=1, upper=N> node2;
  array[N] int<lower=0> y;
  vector<lower=0>[N] E;
  real<lower=0> scaling_factor;
}
transformed data {
  vector[N] log_E = log(E);
}
parameters {
  real beta0;
  real<lower=0> sigma;
  real<lower=0, upper=1> rho;
  vector[N] theta;
  vector[N] phi;
}
model {
  vector[N] convolved = sqrt(1 - rho) * theta + sqrt(rho / scaling_factor) * phi;
  beta0 ~ std_normal();
  sigma ~ std_normal();
  rho ~ beta(0.5, 0.5);
  theta ~ std_normal();
  target += -0.5 * dot_self(phi[node1] - phi[node2]);
  sum(phi) ~ normal(0, 0.001 * N);
  y ~ poisson_log(log_E + beta0 + sigma * convolved);
}
